//! Facts into templates, and the bounds of what comes out.

use super::words::{class, clean, clock, names, services, span, time};
use super::{
    Cause, CauseText, Language, MAX_NAMES, Note, NoteKind, Recovery, ServiceText, Style, Wanted,
};
use crate::itsm::Content;
use crate::model::{Millis, cut};
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior, Value, context};

/// A title is never longer than this, whatever the tool bears: it must fit a phone and a list.
const TITLE: usize = 100;
/// A description is never longer than this.
const DESCRIPTION: usize = 4000;
/// Classes listed under AFFECTED.
const MAX_CLASSES: usize = 12;
/// Links under DO FIRST.
const MAX_LINKS: usize = 3;
/// Text of an alert in a title.
const SYMPTOM: usize = 60;
/// Steps of a template; ours take a few hundred.
const FUEL: u64 = 50_000;

/// Why a text could not be made. A bug of ours: the templates are part of the program.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A template.
    #[error("template")]
    Template(#[from] minijinja::Error),
    /// The time zone, which the configuration has checked.
    #[error("time zone {0:?} is not known")]
    Zone(String),
}

fn zone(style: &Style) -> Result<TimeZone, TextError> {
    TimeZone::get(&style.timezone).map_err(|_| TextError::Zone(style.timezone.clone()))
}

fn render(name: &str, language: Language, values: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("join", minijinja::filters::join);
    let source = match (name, language) {
        ("description", Language::En) => include_str!("templates/description.en.j2"),
        ("description", Language::Da) => include_str!("templates/description.da.j2"),
        ("tail", Language::En) => include_str!("templates/tail.en.j2"),
        ("tail", Language::Da) => include_str!("templates/tail.da.j2"),
        ("cause", Language::En) => include_str!("templates/cause.en.j2"),
        ("cause", Language::Da) => include_str!("templates/cause.da.j2"),
        (_, Language::En) => include_str!("templates/note.en.j2"),
        (_, Language::Da) => include_str!("templates/note.da.j2"),
    };
    // The name ends in .txt: minijinja escapes by the ending of a name, and this is no HTML.
    environment.add_template("text.txt", source)?;
    environment.get_template("text.txt")?.render(values)
}

/// Title, description and fields of a ticket, within the limits of its tool.
///
/// # Errors
/// A bug in our templates.
pub fn content(wanted: &Wanted, style: &Style) -> Result<Content, TextError> {
    let root = match &wanted.cause {
        Cause::High(cause) => clean(&cause.ci.name),
        Cause::NotKnown(_) => String::new(),
    };
    Ok(Content {
        title: title(wanted, style),
        description: description(wanted, style)?,
        ci: clean(&wanted.subject.name),
        root_ci: root,
        severity: wanted.severity.word().to_owned(),
        priority: wanted.priority.word().to_owned(),
        services: wanted.observed.iter().map(|s| clean(&s.name)).collect(),
        group: clean(&wanted.group),
        alert_count: wanted.alerts,
    })
}

/// The most important word first, no number that will change, the id at the end.
fn title(wanted: &Wanted, style: &Style) -> String {
    let da = style.language == Language::Da;
    let id = format!(" [{}]", wanted.incident);
    let room = TITLE.min(style.limits.title).saturating_sub(id.len());
    let subject = clean(&wanted.subject.name);
    let down: Vec<&ServiceText> = wanted
        .observed
        .iter()
        .filter(|s| s.name != wanted.subject.name)
        .collect();
    let list: Vec<String> = down.iter().take(3).map(|s| clean(&s.name)).collect();
    let risk: Vec<String> = wanted
        .at_risk
        .iter()
        .take(3)
        .map(|s| clean(&s.name))
        .collect();
    let alone = wanted.cis <= 1;
    let text = match (&wanted.cause, list.as_slice()) {
        (_, _) if alone => format!("{subject}: {}", cut(&clean(&wanted.symptom), SYMPTOM)),
        (Cause::High(_), []) if !risk.is_empty() && da => {
            format!("{subject} nede: {} i fare", risk.join(", "))
        }
        (Cause::High(_), []) if !risk.is_empty() => {
            format!("{subject} down: {} at risk", risk.join(", "))
        }
        (Cause::High(_), []) if da => format!("{subject} nede: andre CI'er berørt"),
        (Cause::High(_), []) => format!("{subject} down: other CIs affected"),
        (Cause::High(_), some) if da => format!("{subject} nede: {} berørt", some.join(", ")),
        (Cause::High(_), some) => format!("{subject} down: {} affected", some.join(", ")),
        (Cause::NotKnown(_), []) if da => format!("{subject} med flere har alarm, årsag ukendt"),
        (Cause::NotKnown(_), []) => format!("{subject} and others alert, cause not known"),
        (Cause::NotKnown(_), some) if da => {
            format!(
                "{subject} med flere har alarm, årsag ukendt: {}",
                some.join(", ")
            )
        }
        (Cause::NotKnown(_), some) => {
            format!(
                "{subject} and others alert, cause not known: {}",
                some.join(", ")
            )
        }
    };
    format!("{}{id}", cut_at_word(&text, room))
}

/// Cuts at a word; a single long word is cut within.
fn cut_at_word(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let short = cut(text, room);
    let body = short.trim_end_matches("...");
    match body.rsplit_once(' ') {
        Some((words, _)) if words.len() > room / 2 => {
            format!("{}...", words.trim_end_matches([',', ':', ' ']))
        }
        Some(_) | None => short,
    }
}

fn description(wanted: &Wanted, style: &Style) -> Result<String, TextError> {
    let zone = zone(style)?;
    let language = style.language;
    let place = clean(&wanted.subject.place);
    let named = match (wanted.subject.known, place.is_empty()) {
        (false, _) => clean(&wanted.subject.name),
        (true, true) => subject(&wanted.subject.class, &wanted.subject.name, language),
        (true, false) => {
            let subject = subject(&wanted.subject.class, &wanted.subject.name, language);
            format!("{subject} ({place})")
        }
    };
    let what = format!("{named}: {}", cut(&clean(&wanted.symptom), 200));
    let silent = match &wanted.cause {
        Cause::High(cause) | Cause::NotKnown(Some(cause)) => {
            names(&cause.silent, cause.silent_count, language)
        }
        Cause::NotKnown(None) => String::new(),
    };
    let runner_up = match &wanted.cause {
        Cause::High(cause) | Cause::NotKnown(Some(cause)) => cause.runner_up.clone(),
        Cause::NotKnown(None) => None,
    };
    let affected: Vec<String> = wanted
        .affected
        .iter()
        .take(MAX_CLASSES)
        .map(|c| {
            let word = capital(&class(&c.class, c.count > 1, language));
            let list = names(&c.names, c.count, language);
            match c.count {
                1 => format!("{word}: {list}"),
                n => format!("{word} ({n}): {list}"),
            }
        })
        .collect();
    let sources: Vec<String> = wanted
        .sources
        .iter()
        .map(|(source, n)| format!("{} {n}", clean(source)))
        .collect();
    let also: Vec<String> = wanted
        .also_open
        .iter()
        .take(MAX_NAMES)
        .map(|o| match o.ticket.is_empty() {
            true => format!("{} {}", o.incident, clean(&o.ci)),
            false => format!("{} ({}) {}", o.incident, clean(&o.ticket), clean(&o.ci)),
        })
        .collect();
    let link = match style.link_base.is_empty() {
        true => String::new(),
        false => format!(
            "{}/i/{}",
            style.link_base.trim_end_matches('/'),
            wanted.incident
        ),
    };
    let body = render(
        "description",
        language,
        context! {
            what => what.trim_end_matches(['.', ',']),
            since => time(wanted.since, &zone, language),
            observed => services(&wanted.observed),
            at_risk => services(&wanted.at_risk),
            cause => cause_text(&wanted.cause, language)?,
            links => wanted.links.iter().take(MAX_LINKS).map(|l| clean(l)).collect::<Vec<_>>(),
            first_at => clock(wanted.first.at, &zone, language),
            first_source => clean(&wanted.first.source),
            first_ci => clean(&wanted.first.ci),
            first_text => cut(&clean(&wanted.first.text), 200),
            others => wanted.alerts.saturating_sub(1),
            spread => span(wanted.spread.max(Millis::secs(1)), language),
            silent => silent,
            runner_up => runner_up.map(|(name, a, b)| (clean(&name), a, b)),
            cis => wanted.cis,
            alerts => wanted.alerts,
            affected => affected,
            sources => sources.join(", "),
            also_open => also,
            incident => wanted.incident.to_string(),
            link => link,
        },
    )?;
    let tail = render(
        "tail",
        language,
        context! {
            first_utc => wanted.first.at.rfc3339(),
            held => span(wanted.held, language),
            priority => wanted.priority.word(),
            rules => wanted.rules,
            graph_utc => wanted.graph_as_of.map(|at| at.rfc3339()),
            key => wanted.key.as_str(),
        },
    )?;
    // The key must survive every cut.
    let room = DESCRIPTION
        .min(style.limits.description)
        .saturating_sub(tail.len() + 1);
    Ok(format!("{}\n{tail}", cut(body.trim_end(), room)))
}

fn subject(class_word: &str, name: &str, language: Language) -> String {
    match class_word.is_empty() {
        true => clean(name),
        false => format!(
            "{} {}",
            capital(&class(class_word, false, language)),
            clean(name)
        ),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn cause_text(cause: &Cause, language: Language) -> Result<String, minijinja::Error> {
    let none = CauseText {
        ci: super::CiText::default(),
        alerts_itself: false,
        first: false,
        explains: 0,
        of_monitored: 0,
        silent: Vec::new(),
        silent_count: 0,
        runner_up: None,
    };
    let (text, known) = match cause {
        Cause::High(text) => (text, true),
        Cause::NotKnown(Some(text)) => (text, false),
        Cause::NotKnown(None) => (&none, false),
    };
    let values = context! {
        ci => clean(&text.ci.name),
        known => known,
        itself => text.alerts_itself,
        first => text.first,
        explains => text.explains,
        of => text.of_monitored,
        alone => text.explains == 0,
    };
    render("cause", language, values)
}

/// The cause in one sentence, as tickets and `explain` say it.
pub fn sentence(cause: &Cause, language: Language) -> String {
    // A template that does not render is a bug, and the golden texts would have found it.
    cause_text(cause, language).unwrap_or_default()
}

/// A work note, within the limits of its tool.
///
/// # Errors
/// A bug in our templates.
pub fn note(note: &Note, wanted: &Wanted, style: &Style) -> Result<String, TextError> {
    let zone = zone(style)?;
    let language = style.language;
    let at = |moment: Millis| clock(moment, &zone, language);
    let delayed = note.delayed.map(|(from, to)| (at(from), at(to)));
    let other = |incident: &dyn std::fmt::Display, ticket: &str| match ticket.is_empty() {
        true => incident.to_string(),
        false => format!("{incident} ({})", clean(ticket)),
    };
    let values = match &note.what {
        NoteKind::Grew {
            alerts,
            cis,
            services: new,
            names: some,
        } => context! {
            kind => "grew", alerts => alerts, cis => cis, services => services(new),
            names => names(some, 0, language),
        },
        NoteKind::LateCritical { ci, text } => context! {
            kind => "late_critical", ci => clean(ci), text => cut(&clean(text), 200),
        },
        NoteKind::Cause { before, now } => context! {
            kind => "cause", before => clean(before), cause => cause_text(now, language)?,
        },
        NoteKind::Priority {
            before,
            now,
            services: raised,
        } => context! {
            kind => "priority", before => before.word(), now => now.word(), services => services(raised),
        },
        NoteKind::Merged {
            incident,
            ticket,
            because,
        } => context! {
            kind => "merged", other => other(incident, ticket), because => clean(because),
        },
        NoteKind::MergedInto {
            incident,
            ticket,
            because,
        } => context! {
            kind => "merged_into", other => other(incident, ticket), because => clean(because),
        },
        NoteKind::Recovered(recovery) => recovered(recovery, &at, language),
        NoteKind::Reopened { ci, text } => context! {
            kind => "reopened", ci => clean(ci), text => cut(&clean(text), 200),
        },
        NoteKind::Duplicate { ticket } => context! {
            kind => "duplicate", other => clean(ticket),
        },
        NoteKind::Late => context! { kind => "late" },
    };
    let text = render("note", language, context! { delayed => delayed, ..values })?;
    let id = format!("\n[{}]", wanted.incident);
    let room = style.limits.note.saturating_sub(id.len());
    Ok(format!("{}{id}", cut(text.trim(), room)))
}

fn recovered(recovery: &Recovery, at: &dyn Fn(Millis) -> String, language: Language) -> Value {
    let outages: Vec<String> = recovery
        .outages
        .iter()
        .map(|(service, long)| format!("{} {}", clean(&service.name), span(*long, language)))
        .collect();
    context! {
        kind => "recovered",
        at => at(recovery.at),
        alerts => recovery.alerts,
        quiet => span(recovery.quiet, language),
        root => recovery.root.as_ref().map(|(name, _)| clean(name)).unwrap_or_default(),
        root_at => recovery.root.as_ref().map(|(_, back)| at(*back)).unwrap_or_default(),
        outages => outages,
        touched => recovery.touched,
        resolves => recovery.resolves,
        reopen => recovery.reopen_within.map(|within| span(within, language)).unwrap_or_default(),
    }
}
