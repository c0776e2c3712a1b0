//! What a tool says back to us is read without our secrets: some tools, and proxies before them, quote the request
//! in their error pages, and what they say ends up in logs, in the store and in explanations.

/// A shorter secret is not looked for: it would be found everywhere.
const SHORTEST: usize = 8;
const REMOVED: &[u8] = b"[removed]";

/// Secrets that were shown in a request, in every form in which they may come back.
#[derive(Default)]
pub struct Unsaid(Vec<Vec<u8>>);

impl Unsaid {
    /// A secret that went out as it is.
    pub fn add(&mut self, secret: &str) {
        let json = serde_json::Value::from(secret).to_string();
        let json = json.trim_matches('"').to_owned();
        let encoded: String = reqwest::Url::parse_with_params("http://x/", [("s", secret)])
            .map(|u| u.query().unwrap_or_default().replacen("s=", "", 1))
            .unwrap_or_default();
        for form in [secret.to_owned(), json, encoded] {
            self.form(form.into_bytes());
        }
    }

    /// What user and password make together; a user alone is no secret.
    pub fn add_pair(&mut self, user: &str, password: &str) {
        let pair = base64(format!("{user}:{password}").as_bytes());
        self.form(pair.trim_end_matches('=').as_bytes().to_vec());
    }

    fn form(&mut self, form: Vec<u8>) {
        if form.len() >= SHORTEST && !self.0.contains(&form) {
            self.0.push(form);
            self.0.sort_by_key(|f| std::cmp::Reverse(f.len())); // the longest first: it may hold another
        }
    }

    /// The bytes without them.
    pub fn strip(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.0
            .iter()
            .fold(bytes, |bytes, form| without(bytes, form))
    }

    /// The same of text.
    pub fn strip_text(&self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        String::from_utf8_lossy(&self.strip(text.into_bytes())).into_owned()
    }
}

fn without(bytes: Vec<u8>, form: &[u8]) -> Vec<u8> {
    let Some(first) = find(&bytes, form) else {
        return bytes;
    };
    let (mut out, mut rest, mut next) = (Vec::new(), bytes.as_slice(), Some(first));
    while let Some((before, after)) = next.and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(before);
        out.extend_from_slice(REMOVED);
        rest = after.get(form.len()..).unwrap_or_default();
        next = find(rest, form);
    }
    out.extend_from_slice(rest);
    out
}

fn find(bytes: &[u8], form: &[u8]) -> Option<usize> {
    bytes.windows(form.len()).position(|w| w == form)
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or(0));
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..=part.len() {
            let six = all >> (18 - 6 * u32::try_from(n).unwrap_or(0)) & 63;
            let digit = usize::try_from(six).ok().and_then(|d| DIGITS.get(d));
            out.push(char::from(*digit.unwrap_or(&b'=')));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_secret_is_taken_out_and_a_short_one_spoils_nothing() {
        let mut unsaid = Unsaid::default();
        unsaid.add("pass\"wo rd&7");
        unsaid.add_pair("alertd", "pass\"wo rd&7");
        unsaid.add("t");
        // As `printf 'alertd:pass"wo rd&7' | base64` has it.
        for said in [
            "pass\"wo rd&7",
            "pass\\\"wo rd&7",
            "pass%22wo+rd%267",
            "YWxlcnRkOnBhc3Mid28gcmQmNw==",
        ] {
            let text = unsaid.strip_text(format!("<b>{said}</b> to alertd {said}"));
            let left = text.replace("==", "");
            assert_eq!(left, "<b>[removed]</b> to alertd [removed]", "{said}");
        }
    }
}
