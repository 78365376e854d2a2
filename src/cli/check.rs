//! `check`: everything opened and verified, each fault said; with `--repair`, the wallet made whole
//! around what opens.

use super::args::{Check, Global};
use super::exit::{Exit, Failure, note, print};
use super::opened::{self, Access};
use super::passwd::back_up;
use super::prompt;
use crate::wallet::Findings;

/// Runs the command.
pub(super) fn run(global: &Global, args: Check) -> Result<(), Failure> {
    let memorable = args.memorable.source()?;
    opened::run(async {
        let access = Access::new(global).await?;
        let key = access.key().await?;
        let (wallet, findings) = access.inspect(&key, &memorable.existing()?).await?;
        print(&report(&findings))?;
        if findings.faults.is_empty() {
            return Ok(());
        }
        if !args.repair {
            return Err(Failure::new(Exit::Integrity, summary(&findings)));
        }
        let lost = findings.faults.iter().filter(|fault| fault.lost).count();
        let question = format!(
            "Back up what is there, keep the {} that open, take out {lost} (yes, no) [no]",
            findings.good
        );
        if prompt::possible() && !prompt::yes(&question)? {
            return Err(Failure::new(Exit::Integrity, "nothing was changed"));
        }
        note(&format!("backup: {}", back_up(&wallet).await?));
        let repaired = wallet.repair().await?;
        let left = repaired
            .faults
            .iter()
            .any(|fault| !fault.lost && fault.touches.is_some());
        print(&format!(
            "Repaired the wallet `{}`: {} secrets are kept, {lost} were taken out.\n",
            access.name, repaired.good
        ))?;
        match left {
            true => Err(Failure::new(
                Exit::Integrity,
                "what is said above of secrets that are kept is still so",
            )),
            false => Ok(()),
        }
    })
}

fn report(findings: &Findings) -> String {
    let mut text: String = findings
        .faults
        .iter()
        .map(|fault| format!("{fault}\n"))
        .collect();
    let secrets = if findings.good == 1 {
        "secret opens"
    } else {
        "secrets open"
    };
    text += &match findings.removed {
        0 => format!("{} {secrets}.\n", findings.good),
        1 => format!("{} {secrets}, and 1 that was removed.\n", findings.good),
        removed => format!(
            "{} {secrets}, and {removed} that were removed.\n",
            findings.good
        ),
    };
    text
}

fn summary(findings: &Findings) -> String {
    let count = findings.faults.len();
    let faults = if count == 1 { "fault" } else { "faults" };
    format!("{count} {faults} found; `walletfs check --repair` keeps every secret that opens")
}
