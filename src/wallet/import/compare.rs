//! What of a source the wallet holds already. Asks the store only for values that are not in memory.

use super::naming::Named;
use crate::wallet::{Field, Wallet, WalletError};

/// How a secret of a source stands to the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No secret has its name.
    New,
    /// The secret of its name holds every field of it, with these very values.
    Same,
    /// The secret of its name lacks these fields, or has other values of them.
    Differs(Vec<Field>),
    /// It would be larger than the store takes, with what the wallet's secret holds besides.
    TooLarge,
}

impl Wallet {
    /// How each secret of a source stands to the wallet as the snapshot shows it: 1 get for each
    /// secret of the same name whose values are not in memory.
    ///
    /// # Errors
    ///
    /// As [`Wallet::body`].
    pub async fn compare(&self, secrets: &[Named]) -> Result<Vec<Standing>, WalletError> {
        let mut standings = Vec::with_capacity(secrets.len());
        for named in secrets {
            standings.push(self.standing_of(named).await?);
        }
        Ok(standings)
    }

    async fn standing_of(&self, named: &Named) -> Result<Standing, WalletError> {
        let sizes = named.fields.iter();
        let sizes = sizes.map(|(field, found)| (field, found.value.len() as u64));
        let there = self.view().find(&named.domain, &named.access);
        let Some(id) = there else {
            return Ok(match self.new_fits(&named.domain, &named.access, sizes) {
                true => Standing::New,
                false => Standing::TooLarge,
            });
        };
        let body = self.body(id).await?;
        let data = self.values(&body)?;
        let same = |(field, found): &(&Field, &super::FoundField)| {
            let value = data.values.get(*field);
            value.is_some_and(|value| value.ct_eq(&found.value))
        };
        let differing: Vec<Field> = named
            .fields
            .iter()
            .filter(|field| !same(field))
            .map(|(field, _)| field.clone())
            .collect();
        if differing.is_empty() {
            return Ok(Standing::Same);
        }
        let sizes: Vec<_> = sizes
            .map(|(field, size)| (field.clone(), Some(size)))
            .collect();
        Ok(match self.fits(id, &sizes) {
            true => Standing::Differs(differing),
            false => Standing::TooLarge,
        })
    }
}
