//! Templates to text: strict, without a loader, bounded in steps and bytes.

use super::Language;
use minijinja::{Environment, UndefinedBehavior, Value};
use std::io;
use std::sync::LazyLock;

/// Work of one template. The longest of ours takes about a tenth of it.
const FUEL: u64 = 50_000;
/// Bytes that a template may write; far above every limit that is applied afterwards.
const MAX_OUTPUT: usize = 64 * 1024;

/// Why a text could not be made: a bug of ours, because the templates are part of the program.
#[derive(Debug, thiserror::Error)]
#[error("template {name}")]
pub struct TextError {
    /// The template.
    pub name: &'static str,
    /// What is wrong with it: a name that is not given, or a bound that was passed.
    #[source]
    pub source: minijinja::Error,
}

/// A template of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// The one sentence about the cause.
    Cause,
    /// What a ticket says, without its last lines.
    Description,
    /// The last lines of a ticket, which hold the key.
    Tail,
    /// A work note.
    Note,
}

/// All of them, compiled: a constant that the compiler cannot make. Compiling takes longer than a text does.
static COMPILED: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut all = strict();
    for template in Template::ALL {
        for language in Language::ALL {
            let (name, text) = template.text(language);
            // One that does not compile is missed, by name, where it is used; no test lets it come to that.
            all.add_template(name, text).ok();
        }
    }
    all
});

impl Template {
    const ALL: [Template; 4] = [
        Template::Cause,
        Template::Description,
        Template::Tail,
        Template::Note,
    ];

    const fn text(self, language: Language) -> (&'static str, &'static str) {
        macro_rules! file {
            ($name:literal) => {
                ($name, include_str!(concat!("templates/", $name, ".j2")))
            };
        }
        match (self, language) {
            (Template::Cause, Language::En) => file!("cause.en"),
            (Template::Cause, Language::Da) => file!("cause.da"),
            (Template::Description, Language::En) => file!("description.en"),
            (Template::Description, Language::Da) => file!("description.da"),
            (Template::Tail, Language::En) => file!("tail.en"),
            (Template::Tail, Language::Da) => file!("tail.da"),
            (Template::Note, Language::En) => file!("note.en"),
            (Template::Note, Language::Da) => file!("note.da"),
        }
    }
}

/// The text that a template makes of `values`, tidied.
///
/// # Errors
/// A bug in the template.
pub(super) fn render(
    template: Template,
    language: Language,
    values: Value,
) -> Result<String, TextError> {
    let (name, _) = template.text(language);
    rendered(&COMPILED, name, values).map_err(|source| TextError { name, source })
}

/// Without filter, function, loader, or escaping for HTML.
fn strict<'a>() -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

fn rendered(
    templates: &Environment<'_>,
    name: &str,
    values: Value,
) -> Result<String, minijinja::Error> {
    let mut out = Bounded(Vec::new());
    templates
        .get_template(name)?
        .render_captured_to(values, &mut out)?;
    Ok(tidy(&String::from_utf8_lossy(&out.0)))
}

/// No blanks at the end of a line, at most one empty line in a row, none at the ends: templates may be
/// written to be read.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.trim().lines().map(str::trim_end) {
        if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Refuses what goes beyond [`MAX_OUTPUT`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len().saturating_add(bytes.len()) > MAX_OUTPUT {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn all_templates_compile() {
        for template in Template::ALL {
            for language in Language::ALL {
                let (name, text) = template.text(language);
                strict().add_template(name, text).unwrap();
                assert!(COMPILED.get_template(name).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn templates_are_strict_and_bounded() {
        let check = |text: &str, expected: Option<&str>| {
            let values = context! { word => "<b>{{ 7*7 }}</b>", long => "x".repeat(40_000) };
            let mut templates = strict();
            let made = templates.add_template("test", text);
            let found = made.and_then(|()| rendered(&templates, "test", values));
            let found = found.ok();
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("a {{ word }}\n", Some("a <b>{{ 7*7 }}</b>"));
        check("\n a  \n\n\n\nb\n\n", Some("a\n\nb"));
        check("{{ missing }}", None);
        check("{{ word.missing }}", None);
        check("{{ word | upper }}", None);
        check("{% include 'other' %}", None);
        check("{{ long }}{{ long }}", None);
        check(
            "{% for c in long %}{% for d in long %}{% endfor %}{% endfor %}",
            None,
        );
    }
}
