//! All that a wallet holds, as `scripts/open-wallet.py` prints it.

use serde_json::{Value, json};
use walletfs::wallet::history::History;
use walletfs::wallet::{Field, Meta, Secret, Wallet, WalletError};

/// `{domain: {access: {uid, pwd, info: {key: value}}}}`, or the first error; beside `info` the
/// `history`, where there is one, in the same form but of lists `[until, modified, value]`.
pub(crate) async fn contents(wallet: &Wallet) -> Result<Value, WalletError> {
    let secrets: Vec<_> = wallet.view().all().cloned().collect();
    of_all(wallet, secrets).await
}

/// The same of the secrets that were removed, and `removed` beside, the time.
#[allow(
    dead_code,
    reason = "not every test that includes this file asks for it"
)]
pub(crate) async fn removed(wallet: &Wallet) -> Result<Value, WalletError> {
    let secrets: Vec<_> = {
        let view = wallet.view();
        let domains = view.removed_domains();
        let secrets = domains.flat_map(|domain| view.removed_secrets(domain));
        let secrets = secrets.filter_map(|(_, id)| view.removed(id).cloned());
        secrets.collect()
    };
    of_all(wallet, secrets).await
}

async fn of_all(wallet: &Wallet, secrets: Vec<Secret>) -> Result<Value, WalletError> {
    let mut all = json!({});
    for Secret {
        id, shown, meta, ..
    } in secrets
    {
        let body = wallet.body(id).await?;
        let value = |field: &Field| wallet.value(&body, field);
        let mut of = secret(&meta, value)?;
        let history = wallet.values(&body)?.history.open();
        if history.fields().next().is_some() {
            of["history"] = past(&history);
        }
        if let Some(removed_ns) = meta.removed_ns {
            of["removed"] = json!(removed_ns);
        }
        all[&*meta.domain][&*shown] = of;
    }
    Ok(all)
}

fn past(history: &History) -> Value {
    let mut all = json!({ "info": {} });
    for (field, values) in history.fields() {
        let values = values.iter();
        let values = values.map(|p| json!([p.until_ns, p.mtime_ns, shown(p.value.expose())]));
        let values = values.collect();
        match field {
            Field::Uid => all["uid"] = values,
            Field::Pwd => all["pwd"] = values,
            Field::Info(key) => all["info"][&**key] = values,
        }
    }
    all
}

fn secret(
    meta: &Meta,
    value: impl Fn(&Field) -> Result<walletfs::crypto::SecretBytes, WalletError>,
) -> Result<Value, WalletError> {
    let mut secret = json!({});
    let mut info = json!({});
    for (field, known) in &meta.fields {
        let value = value(field)?;
        assert_eq!(value.len() as u64, known.size);
        let value = shown(value.expose());
        match field {
            Field::Uid => secret["uid"] = value,
            Field::Pwd => secret["pwd"] = value,
            Field::Info(key) => info[&**key] = value,
        }
    }
    secret["info"] = info;
    Ok(secret)
}

/// A value as JSON: text, or hex if it is none.
pub(crate) fn shown(value: &[u8]) -> Value {
    match std::str::from_utf8(value) {
        Ok(text) => json!(text),
        Err(_) => {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}
