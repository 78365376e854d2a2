//! Times of directories: the latest of what they hold. Found out once a generation, since `stat` of
//! `/` would otherwise look at every field each time.

use super::attr;
use crate::wallet::View;
use std::collections::HashMap;
use std::sync::Arc;

/// Directory times as of one generation.
pub(super) struct Times {
    /// The time of a directory that holds nothing: when the wallet was made.
    empty_ns: i64,
    generation: u64,
    domains: HashMap<Arc<str>, i64>,
    root: Option<i64>,
}

impl Times {
    pub(super) fn new(empty_ns: i64) -> Self {
        Times {
            empty_ns,
            generation: 0,
            domains: HashMap::new(),
            root: None,
        }
    }

    /// The time of `/`.
    pub(super) fn root(&mut self, view: &View<'_>) -> i64 {
        self.turn_to(view.generation());
        if let Some(known) = self.root {
            return known;
        }
        let domains = view.domains().map(|domain| self.domain(view, domain));
        let root = domains.max().unwrap_or(self.empty_ns);
        self.root = Some(root);
        root
    }

    /// The time of a domain.
    pub(super) fn domain(&mut self, view: &View<'_>, domain: &Arc<str>) -> i64 {
        self.turn_to(view.generation());
        if let Some(known) = self.domains.get(domain) {
            return *known;
        }
        let secrets = view
            .secrets(domain)
            .filter_map(|(_, id)| view.secret(id))
            .map(attr::secret_mtime_ns);
        let time = secrets.max().unwrap_or(self.empty_ns);
        self.domains.insert(domain.clone(), time);
        time
    }

    fn turn_to(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Times {
                generation,
                ..Times::new(self.empty_ns)
            };
        }
    }
}
