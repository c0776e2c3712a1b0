//! What the alerts of a configured source can say.

use super::{Matcher, On, Test, logic};
use crate::config::plumbing::SourceConf;
use crate::model::{Labels, Severity};

/// What the engine knows of every alert, beside its labels.
const SOURCE: &str = "source";
const SEVERITY: &str = "severity";

/// Names of labels and texts of one source, and the values that the configuration itself gives.
pub(super) struct Said<'a> {
    pub(super) source: &'a str,
    labels: Vec<&'a str>,
    texts: Vec<&'a str>,
    constants: &'a Labels,
}

impl<'a> Said<'a> {
    pub(super) fn of(source: &'a SourceConf) -> Said<'a> {
        let says = source.kind.says;
        let options = &source.settings.options;
        // What a kind is told to take is told in the same words whatever the kind.
        let picked = |name: &str| options.picks(name).map(|(n, _)| n).collect::<Vec<_>>();
        let labels = says.labels.iter().copied().chain(picked("take"));
        Said {
            source: &source.settings.name,
            labels: labels.chain(source.labels.iter().map(|(n, _)| n)).collect(),
            texts: says.texts.iter().copied().chain(picked("texts")).collect(),
            constants: &source.labels,
        }
    }

    /// The names that a matcher might mean.
    pub(super) fn names(&self, on: &On) -> Vec<&'a str> {
        let texts = match on {
            On::Label(_) | On::AnyOf(_) => [].iter(),
            On::Any(_) | On::AnyCase(_) => self.texts.iter(),
            On::Severity | On::Beyond(_) => return Vec::new(),
        };
        let all = self.labels.iter().chain(texts).copied();
        all.filter(|name| !name.ends_with('*')).collect()
    }

    /// Whether an alert may have what the matcher looks at.
    pub(super) fn has(&self, on: &On) -> bool {
        let same = |known: &str, name: &str| match known.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => known == name,
        };
        let mut both = self.labels.iter().chain(&self.texts);
        match on {
            On::Label(name) => self.labels.iter().any(|known| same(known, name)),
            On::Any(name) => both.any(|known| same(known, name)),
            On::AnyCase(name) => {
                both.any(|known| same(&known.to_lowercase(), &name.to_lowercase()))
            }
            On::AnyOf(names) => {
                let mut names = names.split('|');
                names.any(|name| self.labels.iter().any(|known| same(known, name)))
            }
            On::Severity | On::Beyond(_) => true,
        }
    }

    /// The value that the configuration gives to all alerts of the source.
    pub(super) fn constant(&self, on: &On) -> Option<&'a str> {
        match on {
            On::Label(name) | On::Any(name) => self.constants.get(name),
            On::AnyCase(name) => {
                let mut all = self.constants.iter();
                all.find(|(n, _)| n.eq_ignore_ascii_case(name))
                    .map(|(_, v)| v)
            }
            On::Beyond(name) if name == SOURCE && !self.has_label(name) => Some(self.source),
            On::AnyOf(_) | On::Severity | On::Beyond(_) => None,
        }
    }

    /// A label comes before what the engine knows under the same name.
    fn has_label(&self, name: &str) -> bool {
        self.has(&On::Label(name.to_owned()))
    }

    /// Whether an alert may be as the matcher wants it.
    pub(super) fn can(&self, matcher: &Matcher) -> bool {
        if matches!(&matcher.on, On::Beyond(name) if name == SEVERITY && !self.has_label(name)) {
            let mut words = Severity::ALL.iter().map(|s| s.word());
            return words.any(|word| logic::accepts(&matcher.test, word));
        }
        match (self.constant(&matcher.on), self.has(&matcher.on)) {
            (Some(value), _) => logic::accepts(&matcher.test, value),
            (None, true) => true,
            // What is missing is the empty text, where it need not be there.
            (None, false) => match matcher.test {
                Test::There | Test::Finds(_) => false,
                Test::Is(_) | Test::IsNot(_) | Test::Matches(_) | Test::MatchesNot(_) => {
                    logic::accepts(&matcher.test, "")
                }
            },
        }
    }
}
