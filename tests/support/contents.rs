//! All that a wallet holds, as `scripts/open-wallet.py` prints it.

use serde_json::{Value, json};
use walletfs::wallet::{Field, Meta, Wallet, WalletError};

/// `{domain: {access: {uid, pwd, info: {key: value}}}}`, or the first error.
pub(crate) async fn contents(wallet: &Wallet) -> Result<Value, WalletError> {
    let secrets: Vec<_> = {
        let view = wallet.view();
        view.all()
            .map(|s| (s.id, s.shown.clone(), s.meta.clone()))
            .collect()
    };
    let mut all = json!({});
    for (id, shown, meta) in secrets {
        let body = wallet.body(id).await?;
        let value = |field: &Field| wallet.value(&body, field);
        all[&*meta.domain][&*shown] = secret(&meta, value)?;
    }
    Ok(all)
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
