// Zabbix webhook of correlated: posts one notification as JSON and gives what the daemon answers back to
// Zabbix as event tags. Runs in Zabbix's own interpreter (ECMAScript 5.1), once per notification and attempt.
//
// Parameters whose names begin with gw_ steer the transport; event_tags_json becomes the array "tags"; every
// other parameter goes into the body under its own name, as Zabbix expanded it.

var MAX_TAG_VALUE = 255; // Zabbix cuts longer ones, and a cut address leads nowhere

// A parameter that is there and not a user macro nobody has defined.
function setting(text) {
    text = String(text === undefined || text === null ? '' : text).trim();
    return /^\{\$[^{}]*\}$/.test(text) ? '' : text;
}

function body(parameters) {
    var out = {schema: 'zabbix-webhook/1', tags: []};

    Object.keys(parameters).forEach(function (name) {
        if (name.indexOf('gw_') !== 0 && name !== 'event_tags_json') {
            out[name] = parameters[name];
        }
    });
    try {
        var tags = JSON.parse(parameters.event_tags_json);
        if (!Array.isArray(tags)) {
            throw 'not an array';
        }
        out.tags = tags;
    } catch (ignored) {
        out.tags_error = String(parameters.event_tags_json);
    }
    return JSON.stringify(out);
}

function post(url, token, proxy, text) {
    var request = new HttpRequest();

    request.addHeader('Content-Type: application/json');
    request.addHeader('Accept: application/json');
    request.addHeader('User-Agent: correlated-zabbix/1');
    if (token !== '') {
        request.addHeader('Authorization: Bearer ' + token);
    }
    if (proxy !== '') {
        request.setProxy(proxy);
    }

    var answer = request.post(url, text),
        status = request.getStatus();

    if (status < 200 || status >= 300) {
        throw 'HTTP status ' + status + ': ' + String(answer).substring(0, 300);
    }
    return answer;
}

// An answer that is empty or not JSON is an acceptance all the same.
function tagsOf(answer) {
    var tags = {},
        said = null;

    try {
        said = JSON.parse(answer);
    } catch (ignored) {
        return tags;
    }
    if (said === null || typeof said !== 'object' || !said.incident) {
        return tags;
    }
    tags.__correlated = String(said.incident);
    if (said.url && String(said.url).length <= MAX_TAG_VALUE) {
        tags.__correlated_url = String(said.url);
    }
    return tags;
}

var parameters = JSON.parse(value),
    token = setting(parameters.gw_token);

try {
    var url = setting(parameters.gw_url);
    if (!/^https?:\/\//.test(url)) {
        throw 'the global macro {$CORRELATED.URL} (parameter gw_url) is not an http or https address';
    }
    return JSON.stringify({tags: tagsOf(post(url, token, setting(parameters.gw_proxy), body(parameters)))});
} catch (error) {
    // Zabbix tries again after anything that is thrown. Whatever answered may have sent our own header back.
    var why = 'correlated: ' + String(error);
    if (token !== '') {
        why = why.split(token).join('***');
    }
    Zabbix.log(3, why);
    throw why;
}
