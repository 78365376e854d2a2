//! `init --print-iam-policy`: the least that AWS must allow for one wallet in one table. The README
//! shows the one for the wallet `default`, and a test holds that the two are the same.

use super::args::{Global, Init};
use super::config::{Config, TABLE};
use super::exit::{Exit, Failure, print};
use serde_json::json;

/// Runs it: for what the options name, and else what the wallet's configuration does, if there is
/// one.
pub(super) fn run(global: &Global, args: &Init) -> Result<(), Failure> {
    let places = global.places()?;
    let known = Config::load(&places, &global.wallet).ok();
    let known = known.as_ref();
    let table = args.settings.table.as_deref();
    let table = table.or(known.and_then(|known| known.table.as_deref()));
    let region = args.settings.region.as_deref();
    let region = region.or(known.and_then(|known| known.region.as_deref()));
    let text = policy(
        &global.wallet,
        table.unwrap_or(TABLE),
        region.unwrap_or("*"),
    )?;
    print(&text)
}

/// The policy, as IAM's console takes it. Any account: a policy holds for the one that it is in.
///
/// # Errors
/// A name has a character that is a pattern in a policy, and would reach further than it says.
fn policy(wallet: &str, table: &str, region: &str) -> Result<String, Failure> {
    for (what, name) in [("wallet", wallet), ("table", table)] {
        if name.contains(['*', '?', '$']) {
            let message = format!(
                "the name of the {what} has a `*`, `?` or `$` in it, which a policy reads as a \
                 pattern; choose another name"
            );
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    let resource = format!("arn:aws:dynamodb:{region}:*:table/{table}");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "MakeTheTable",
                "Effect": "Allow",
                "Action": [
                    "dynamodb:DescribeTable",
                    "dynamodb:CreateTable",
                    "dynamodb:UpdateContinuousBackups",
                ],
                "Resource": resource,
            },
            {
                "Sid": "UseTheWallet",
                "Effect": "Allow",
                "Action": [
                    "dynamodb:GetItem",
                    "dynamodb:Query",
                    "dynamodb:PutItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:ConditionCheckItem",
                ],
                "Resource": resource,
                "Condition": {
                    "ForAllValues:StringLike": {
                        "dynamodb:LeadingKeys": [wallet, format!("{wallet}.backup-*")],
                    },
                },
            },
        ],
    });
    let text = serde_json::to_string_pretty(&policy).expect("strings are JSON");
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_patterns_are_refused() {
        for name in ["a*", "?", "${aws:username}"] {
            assert!(policy(name, "t", "*").is_err(), "{name}");
            assert!(policy("w", name, "*").is_err(), "{name}");
        }
        let text = policy("my \"w\"", "t", "eu-central-1").unwrap();
        let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys = &policy["Statement"][1]["Condition"]["ForAllValues:StringLike"];
        let expected = json!(["my \"w\"", "my \"w\".backup-*"]);
        assert_eq!(keys["dynamodb:LeadingKeys"], expected);
        let resource = &policy["Statement"][0]["Resource"];
        assert_eq!(resource, "arn:aws:dynamodb:eu-central-1:*:table/t");
    }
}
