//! Work notes: what is new at a turning point, and nothing else.

use super::page::Page;
use super::render::{Template, TextError, render};
use super::text::cause_text;
use super::{Because, FlapText, MAX_NAMES, Note, NoteKind, Recovery, ServiceText, Style, Wanted};
use crate::model::{Millis, cut};
use minijinja::{Value, context};

/// Bytes of a note, whatever the tool bears.
const MAX_NOTE: usize = 4000;

/// A work note, within the limits of its tool.
///
/// # Errors
/// A bug in our templates.
pub fn note(note: &Note, wanted: &Wanted, style: &Style) -> Result<String, TextError> {
    let page = Page::new(style);
    // Notes carry the tool's own stamp: a moment of another day than that one gets its date.
    let now = note.delayed.map_or(note.at, |(_, until)| until);
    let values = context! {
        at => page.time_near(note.at, now),
        incident => wanted.incident.to_string(),
        delayed => note.delayed.map(|(from, until)| {
            context! { from => page.time_near(from, now), until => page.time_near(until, now) }
        }),
        ..kind(&note.what, now, &page)?
    };
    let text = render(Template::Note, page.language, values)?;
    Ok(cut(&text, MAX_NOTE.min(style.limits.note)))
}

fn kind(what: &NoteKind, now: Millis, page: &Page) -> Result<Value, TextError> {
    Ok(match what {
        NoteKind::Grew {
            alerts,
            cis,
            services,
            names,
        } => context! {
            kind => "grew",
            alerts => alerts,
            cis => cis,
            services => page.services(services),
            names => page.names(names, 0, MAX_NAMES),
        },
        NoteKind::LateCritical {
            ci,
            text,
            critical,
            more,
            count,
            with,
        } => context! {
            kind => "late_critical",
            before => with.raised.map(|(before, _)| before.word()),
            now => with.raised.map(|(_, now)| now.word()),
            services => page.services(&with.services),
            names => page.names(&with.names, 0, MAX_NAMES),
            alerts => with.all.map(|(alerts, _)| alerts),
            cis => with.all.map(|(_, cis)| cis),
            ci => page.name(ci),
            text => page.quote(text),
            critical => critical,
            more => page.names(more, *count, MAX_NAMES),
        },
        NoteKind::Left {
            incident,
            ticket,
            alerts,
            names,
            by,
            new,
        } => context! {
            kind => "left",
            other => page.other(*incident, ticket),
            alerts => alerts,
            names => page.names(names, 0, MAX_NAMES),
            by => page.name(by),
            new => new,
        },
        NoteKind::GoesOn {
            alerts,
            names,
            into,
            incidents,
        } => {
            let into: Vec<String> = into.iter().map(ToString::to_string).collect();
            context! {
                kind => "goes_on",
                alerts => alerts,
                names => page.names(names, 0, MAX_NAMES),
                into => page.names(&into, *incidents, MAX_NAMES),
            }
        }
        NoteKind::Came {
            incident,
            ticket,
            alerts,
            names,
            by,
        } => context! {
            kind => "came",
            other => page.other(*incident, ticket),
            alerts => alerts,
            names => page.names(names, 0, MAX_NAMES),
            by => page.name(by),
        },
        NoteKind::Ended {
            by,
            firing,
            touched,
            resolves,
        } => context! {
            kind => "ended",
            by => page.name(by),
            firing => firing,
            touched => touched,
            resolves => resolves,
        },
        NoteKind::Cause { before, now } => context! {
            kind => "cause",
            before => page.name(before),
            known => now.known().is_some(),
            cause => cause_text(now, page)?,
        },
        NoteKind::Priority {
            before,
            now,
            services,
            left,
        } => context! {
            kind => "priority",
            left => left,
            before => before.word(),
            now => now.word(),
            services => page.services(services),
        },
        NoteKind::Merged {
            incident,
            ticket,
            because,
            by,
        } => context! {
            kind => "merged",
            other => page.other(*incident, ticket),
            because => explains(because, page),
            by => page.name(by),
        },
        NoteKind::MergedInto {
            incident,
            ticket,
            because,
            by,
        } => context! {
            kind => "merged_into",
            other => page.other(*incident, ticket),
            because => explains(because, page),
            by => page.name(by),
        },
        NoteKind::Back {
            services,
            failing,
            alerts,
        } => {
            let one = |(service, at): &(ServiceText, Millis)| {
                let name = page.services(std::slice::from_ref(service));
                format!("{name} {}", page.time_near(*at, now))
            };
            let list: Vec<String> = services.iter().take(MAX_NAMES).map(one).collect();
            context! {
                kind => "back",
                list => list.join(", "),
                failing => page.services(failing),
                alerts => alerts,
            }
        }
        NoteKind::Recovered(recovery) => recovered(recovery, now, page),
        NoteKind::Reopened { ci, text } => context! {
            kind => "reopened", ci => page.name(ci), text => page.quote(text),
        },
        NoteKind::Duplicate { ticket } => context! {
            kind => "duplicate", ticket => page.name(crate::itsm::shown(ticket)),
        },
        NoteKind::Flapping {
            alerts,
            count,
            first,
            span,
            quiet,
        } => {
            let times = |n: u32| match n {
                1 => page.say("once", "en gang").to_owned(),
                n => format!("{n} {}", page.say("times", "gange")),
            };
            let one = |a: &FlapText| format!("{} {}", page.name(&a.ci), times(a.times));
            let list: Vec<String> = alerts.iter().map(one).collect();
            let rest = count.saturating_sub(u32::try_from(list.len()).unwrap_or(u32::MAX));
            let since = alerts.iter().map(|a| a.since).min();
            context! {
                kind => "flapping",
                list => list.join(", "),
                rest => rest,
                first => first,
                since => since.map(|at| page.time_near(at, now)),
                span => page.span(*span),
                quiet => page.span(*quiet),
            }
        }
        NoteKind::StillFiring { firing, wait, new } => context! {
            kind => "still_firing",
            firing => firing,
            wait => wait.map(|w| page.span(w)),
            new => new,
        },
        NoteKind::Late => context! { kind => "late" },
        NoteKind::Inform {
            owner,
            group,
            services,
        } => context! {
            kind => "inform",
            owner => page.name(owner),
            group => page.name(group),
            services => page.services(services),
            many => services.len() > 1,
        },
    })
}

/// Why two incidents are one, in the language of the page; empty for nothing.
fn explains(because: &Because, page: &Page) -> String {
    let both = page.say("explains both", "forklarer begge");
    let and = page.say(
        "and they began within minutes of each other and ended together",
        "og de begyndte med få minutters mellemrum og sluttede samtidig",
    );
    match because {
        Because::Ci(name) if name.is_empty() => String::new(),
        Because::Ci(name) => format!("{} {both}", page.name(name)),
        Because::SameFault(name) => {
            let same = page.say("the same fault", "den samme fejl");
            format!("{same} \"{}\" {both}", page.name(name))
        }
        Because::CutOff(ci, neighbour) => {
            let what = page.say("what cut off", "det, der afbrød");
            let with = page.say("and its neighbour", "og naboen");
            let stop = page.say("", ",");
            let (ci, neighbour) = (page.name(ci), page.name(neighbour));
            format!("{what} {ci} {with} {neighbour}{stop} {both}")
        }
        Because::Ended(ci) => format!("{} {both}, {and}", page.name(ci)),
        Because::EndedWith(ci) => {
            let later = page.say(
                "and the later began while it alerted and ended with it",
                "og den senere begyndte, mens fejlen stod på, og sluttede sammen med den",
            );
            format!("{} {both}, {later}", page.name(ci))
        }
        Because::EndedAlike(name) => {
            let show = page.say("both show", "begge viser");
            format!("{show} \"{}\", {and}", page.name(name))
        }
    }
}

fn recovered(recovery: &Recovery, now: Millis, page: &Page) -> Value {
    let outage = |(service, long): &(ServiceText, Millis)| {
        format!("{} {}", page.name(&service.name), page.span(*long))
    };
    let outages: Vec<String> = recovery
        .outages
        .iter()
        .take(MAX_NAMES)
        .map(outage)
        .collect();
    // A lone alert is over when its CI is back: once is enough.
    let root = recovery.root.as_ref().filter(|_| recovery.alerts > 1);
    context! {
        kind => "recovered",
        // Not when the note was decided but when the last alert was over: reports count from here.
        at => page.time_near(recovery.at, now),
        alerts => recovery.alerts,
        quiet => page.span(recovery.quiet),
        root => root.map(|(name, back)| {
            context! { name => page.name(name), at => page.time_near(*back, now) }
        }),
        outages => outages.join(", "),
        touched => recovery.touched,
        resolves => recovery.resolves,
        refers => recovery.refers,
        reopen_within => recovery.reopen_within.map(|within| page.span(within)),
    }
}
