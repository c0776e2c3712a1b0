//! What a ticket says: its title, its description, and the sentence about the cause.

use super::classes::capital;
use super::page::{MAX_NAME, MAX_QUOTE, Page, utc};
use super::render::{Template, TextError, render};
use super::title::{does_not_answer, title, without_name};
use super::{AlsoOpen, Cause, CauseText, ChangeText, HeldBy, Language, MAX_NAMES, Style, Wanted};
use crate::itsm::{self, Content};
use crate::model::cut;
use minijinja::{Value, context};

/// Bytes of a description, whatever the tool bears: more is not read at night.
const MAX_DESCRIPTION: usize = 4000;
/// Classes that are listed one by one.
const MAX_CLASSES: usize = 12;
/// Characters of the key. Ours have about 25; a longer one cannot come from us.
const MAX_KEY: usize = MAX_NAME;

/// Title, description and fields of a ticket, within the limits of its tool. The description always holds
/// the line `Key cor-...`; where there is little room the list of the affected goes first, then the reasons.
///
/// # Errors
/// A bug in our templates.
pub fn content(wanted: &Wanted, style: &Style) -> Result<Content, TextError> {
    let page = Page::new(style);
    let root = wanted.cause.known().map(|c| page.name(&c.ci.name));
    Ok(Content {
        title: title(wanted, &page, style),
        description: description(wanted, &page, style)?,
        ci: page.name(&wanted.subject.name),
        root_ci: root.unwrap_or_default(),
        severity: wanted.severity.word().to_owned(),
        priority: wanted.priority.word().to_owned(),
        services: wanted.observed.iter().map(|s| page.name(&s.name)).collect(),
        group: page.name(&wanted.group),
        alert_count: wanted.alerts,
        cis: wanted.listed.iter().map(|c| page.name(c)).collect(),
        class: page.name(&wanted.subject.class),
        watch: Vec::new(),
        main: String::new(),
        page: None,
    })
}

/// The cause in one sentence, as tickets and `explain` say it.
pub fn sentence(cause: &Cause, language: Language) -> String {
    // A template that does not render is a bug that the golden texts find.
    cause_text(cause, &Page::bare(language)).unwrap_or_default()
}

/// The cause in one sentence, on the page of a target.
pub(super) fn cause_text(cause: &Cause, page: &Page) -> Result<String, TextError> {
    let (text, high) = (cause.text(), cause.known().is_some());
    let by = cause.by().map(|by| page.name(by)).unwrap_or_default();
    let values = match text {
        None => context! { high => high, ci => "", by => by, same => cause.same_fault() },
        Some(text) => context! {
            high => high,
            by => by,
            same => None::<u32>,
            ci => page.name(&text.ci.name),
            itself => text.alerts_itself,
            alerts_in => text.alerts_in.map(|incident| incident.to_string()),
            first => text.first,
            explains => text.explains,
            of => text.of_monitored.max(text.explains),
            silent => text.silent_count,
            runner_up => text.runner_up.as_ref().map(|(name, explains, _)| {
                context! { name => page.name(name), explains => explains }
            }),
        },
    };
    render(Template::Cause, page.language, values)
}

/// How much of a description is told.
#[derive(Clone, Copy)]
struct Detail {
    /// Names of a class in AFFECTED; `None` leaves out the classes.
    names: Option<usize>,
    /// The reasons.
    why: bool,
    /// Links, neighbours and how to ask for more.
    more: bool,
}

/// From all to the least; the first that has room is taken.
#[rustfmt::skip]
const DETAILS: [Detail; 6] = [
    Detail { names: Some(MAX_NAMES), why: true, more: true },
    Detail { names: Some(3), why: true, more: true },
    Detail { names: Some(0), why: true, more: true },
    Detail { names: None, why: true, more: true },
    Detail { names: None, why: false, more: true },
    Detail { names: None, why: false, more: false },
];

fn description(wanted: &Wanted, page: &Page, style: &Style) -> Result<String, TextError> {
    let max = MAX_DESCRIPTION.min(style.limits.description);
    let tail = render(Template::Tail, page.language, tail_values(wanted, page))?;
    let room = max.saturating_sub(tail.len()).saturating_sub(1);
    let mut body = String::new();
    for detail in DETAILS {
        let values = values(wanted, page, style, detail)?;
        body = render(Template::Description, page.language, values)?;
        if body.len() <= room {
            return Ok(format!("{body}\n{tail}"));
        }
    }
    if room > MAX_QUOTE {
        return Ok(format!("{}\n{tail}", cut(&body, room)));
    }
    // A tool with so little room keeps what finds the ticket again, and the beginning.
    let key = format!("Key {}.", page.alert(&wanted.key));
    let room = max.saturating_sub(key.len()).saturating_sub(1);
    Ok(format!("{}\n{key}", cut(&body, room)))
}

fn tail_values(wanted: &Wanted, page: &Page) -> Value {
    context! {
        first => utc(wanted.first.at),
        held => (wanted.held.0 >= 1000).then(|| page.span(wanted.held)),
        held_by => wanted.held_by.as_ref().map(|by| match by {
            HeldBy::Storm => "storm",
            HeldBy::Hours(_) => "hours",
            HeldBy::Warnings => "warnings",
            HeldBy::Else => "else",
            HeldBy::Follows => "follows",
        }),
        hours => match &wanted.held_by {
            Some(HeldBy::Hours(name)) => Some(page.alert(name)),
            Some(HeldBy::Storm | HeldBy::Warnings | HeldBy::Else | HeldBy::Follows) | None => None,
        },
        priority => wanted.priority.word(),
        rules => wanted.rules,
        graph => wanted.graph_as_of.map(utc),
        key => super::harmless::line(&wanted.key, MAX_KEY, crate::itsm::Markup::Plain),
    }
}

fn values(wanted: &Wanted, page: &Page, style: &Style, detail: Detail) -> Result<Value, TextError> {
    let (cause, high) = (wanted.cause.text(), wanted.cause.known().is_some());
    let several = wanted.cis > 1;
    let why = detail.why && (several || wanted.alerts > 1);
    let down = does_not_answer(&wanted.symptom);
    let same_text = wanted.first.text == wanted.symptom;
    // A text is quoted once: in WHAT, or with the first alert if "does not answer" says it in our words.
    let silent_root = high && cause.is_some_and(|c| !c.alerts_itself);
    let symptom_below =
        why && down && same_text && wanted.first.ci == wanted.subject.name || silent_root;
    let name = page.name(&wanted.subject.name);
    let worse = wanted.severity <= crate::model::Severity::Major;
    let classes = detail.names.filter(|_| several);
    Ok(context! {
        merged_into => wanted.merged_into.map(|id| id.to_string()),
        split_from => wanted.split_from.as_ref().map(|s| {
            context! { other => page.other(s.incident, &s.ticket), by => page.name(&s.by) }
        }),
        by_hand => wanted.cause.by().is_some(),
        subject => page.ci(&wanted.subject, true),
        shared => silent_root.then(|| page.ci(&wanted.subject, false)),
        known => wanted.subject.known,
        down => down,
        symptom => match symptom_below {
            true => String::new(),
            false => without_name(&page.quote(&wanted.symptom), &name).to_owned(),
        },
        since => page.time(wanted.since),
        cis => wanted.cis,
        alerts => wanted.alerts,
        high => high,
        worse => worse,
        observed => page.services(&wanted.observed),
        at_risk => page.services(&wanted.at_risk),
        cause => cause_text(&wanted.cause, page)?,
        flapping => page.names(&wanted.flapping, 0, MAX_NAMES),
        flap_quiet => page.span(wanted.flap_quiet),
        changed => wanted.changed.iter().map(|c| change(c, page)).collect::<Vec<_>>(),
        before => wanted.before.as_ref().map(|b| context! {
            ticket => page.name(itsm::shown(&b.ticket)),
            closed => b.closed.map(|at| page.time(at)),
        }),
        links => if detail.more { links(wanted, page) } else { Vec::new() },
        why => why,
        first => context! {
            at => page.second_near(wanted.first.at, wanted.since),
            source => page.name(&wanted.first.source),
            ci => page.name(&wanted.first.ci),
            text => if same_text && !symptom_below {
                String::new()
            } else {
                page.quote(&wanted.first.text)
            },
        },
        spread => page.span(wanted.spread.max(crate::model::Millis::secs(1))),
        root => cause.map(|c| page.name(&c.ci.name)),
        silent => cause.filter(|c| c.explains > 0).map(|c| page.names(&c.silent, c.silent_count, MAX_NAMES)).unwrap_or_default(),
        unknown => cause.filter(|c| c.explains > 0).map_or(0, |c| c.unknown),
        runner_up => cause.filter(|_| high).and_then(|c| runner_up(c, page)),
        several => several,
        classes => classes.map(|names| classes_of(wanted, page, names)).unwrap_or_default(),
        sources => sources(wanted, page),
        also_open => match detail.more {
            true => wanted.also_open.iter().take(MAX_NAMES).map(|o| also(o, page)).collect(),
            false => Vec::<String>::new(),
        }.join("; "),
        incident => wanted.incident.to_string(),
        link => link(wanted, style),
        more => detail.more,
    })
}

fn change(change: &ChangeText, page: &Page) -> Value {
    context! {
        id => page.name(&change.id),
        summary => page.quote(&change.summary),
        ci => page.name(&change.ci),
        at => page.time(change.at),
        before => (change.before >= crate::model::Millis::secs(1)).then(|| page.span(change.before)),
    }
}

fn runner_up(cause: &CauseText, page: &Page) -> Option<Value> {
    let (name, explains, of) = cause.runner_up.as_ref()?;
    Some(context! {
        name => page.name(name),
        explains => explains,
        quiet => of.saturating_sub(*explains),
    })
}

/// One line per class: `Servers (14): srv-pay-01, ... and 8 more`.
fn classes_of(wanted: &Wanted, page: &Page, names: usize) -> Vec<String> {
    let line = |class: &super::ClassText| {
        let word = capital(&page.class(&class.class, class.count != 1));
        let list = page.names(&class.names, class.count, names);
        match (class.count, names) {
            (1, 1..) => format!("{word}: {list}"),
            (n, 0) => format!("{word}: {n}"),
            (n, _) => format!("{word} ({n}): {list}"),
        }
    };
    let mut lines: Vec<String> = wanted.affected.iter().take(MAX_CLASSES).map(line).collect();
    let rest: u32 = wanted
        .affected
        .iter()
        .skip(MAX_CLASSES)
        .fold(0, |sum, c| sum.saturating_add(c.count));
    if rest > 0 {
        lines.push(format!(
            "{}: {rest}",
            page.say("Other classes", "Andre klasser")
        ));
    }
    lines
}

/// `Nagios 29, Zabbix 7`; a single alert needs no number.
fn sources(wanted: &Wanted, page: &Page) -> String {
    let one = |(source, n): &(String, u32)| match wanted.alerts {
        0 | 1 => page.name(source),
        _ => format!("{} {n}", page.name(source)),
    };
    let mut all: Vec<String> = wanted.sources.iter().take(MAX_NAMES).map(one).collect();
    let rest = wanted.sources.len().saturating_sub(MAX_NAMES);
    if rest > 0 {
        let more = page.say("more", "mere");
        all.push(format!("... {} {rest} {more}", page.say("and", "og")));
    }
    all.join(", ").replace(", ... ", " ... ")
}

fn also(other: &AlsoOpen, page: &Page) -> String {
    let id = page.other(other.incident, &other.ticket);
    format!("{id} {}", page.name(&other.ci))
        .trim_end()
        .to_owned()
}

/// Links that can be opened: one that is cut or had to be made harmless leads elsewhere.
fn links(wanted: &Wanted, page: &Page) -> Vec<String> {
    let opens = |l: &&String| {
        (l.starts_with("https://") || l.starts_with("http://"))
            && !l.ends_with("...")
            && !l.contains(' ')
            && page.alert(l) == **l
    };
    wanted.links.iter().take(3).filter(opens).cloned().collect()
}

/// The page of an incident, where links have a base.
pub fn page(wanted: &Wanted, style: &Style) -> Option<itsm::Page> {
    let url = link(wanted, style);
    let id = wanted.key.rsplit_once('.').map_or("", |(id, _)| id);
    let what = match style.language {
        Language::En => "Incident",
        Language::Da => "Hændelse",
    };
    (!url.is_empty()).then(|| itsm::Page {
        id: id.to_owned(),
        url,
        title: format!("{what} {} - correlated", wanted.incident),
    })
}

fn link(wanted: &Wanted, style: &Style) -> String {
    match style.link_base.trim_end_matches('/') {
        "" => String::new(),
        base => format!("{base}/i/{}", wanted.incident),
    }
}
