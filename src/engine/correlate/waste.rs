//! What an older graph said, on its way out: to free all of it at once would take longer than an entry may.

use super::fine::Fine;
use super::index::{About, Standing};
use super::under::Dependant;
use crate::model::CiId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// CIs forgotten with each entry.
const AT_ONCE: usize = 500;

/// What the graph in force says of the CIs that were asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub about: BTreeMap<CiId, Arc<About>>,
    pub standing: BTreeMap<CiId, Standing>,
    pub fine: BTreeMap<CiId, Fine>,
    pub under: BTreeMap<CiId, Arc<[Dependant]>>,
}

/// See the module. A copy of the engine needs none of it.
#[derive(Debug, Default)]
pub(super) struct Waste(Vec<Known>);

impl Clone for Waste {
    fn clone(&self) -> Waste {
        Waste::default()
    }
}

impl Waste {
    pub fn add(&mut self, known: Known) {
        self.0.push(known);
    }

    /// Frees some of it.
    pub fn dispose(&mut self) {
        let Some(known) = self.0.last_mut() else {
            return;
        };
        let mut more = false;
        for _ in 0..AT_ONCE {
            let gone = (
                known.about.pop_first(),
                known.standing.pop_first(),
                known.fine.pop_first(),
                known.under.pop_first(),
            );
            more = !matches!(gone, (None, None, None, None));
            if !more {
                break;
            }
        }
        if !more {
            self.0.pop();
        }
    }
}
