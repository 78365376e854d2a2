//! The command line: one definition of each option feeds the parser and the help.

use super::completions::{self, Complete, Completions};
use super::config::{Config, Seconds, StoreKind, check_commit_limit};
use super::exit::Failure;
use super::keeping::args::{Backup, Migrate, Restore};
use super::password::{Source, Which};
use crate::crypto::generate::{LENGTHS, WORD_COUNTS};
use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use clap_complete::ArgValueCandidates;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Your secrets as files: sealed on this device, kept in Amazon DynamoDB or in one SQLite file,
/// readable while mounted.
#[derive(Debug, Parser)]
#[command(name = "walletfs", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 10 wrong password or device, \
    11 no such wallet, 12 mount point unusable, 13 store unreachable, 14 denied by the store, \
    15 integrity fault, 16 rolled back, 17 conflict."
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The wallet's name
    ///
    /// At most 200 bytes, with no slash, no control character, no dot at its beginning and no
    /// `.backup-` in it.
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    #[arg(value_parser = wallet_name, add = ArgValueCandidates::new(completions::wallets))]
    pub wallet: String,
    /// Where configuration and device key are; state and data then lie below it [default:
    /// $XDG_CONFIG_HOME/walletfs]
    ///
    /// So this option alone makes a second device on one machine. Without it, the XDG base
    /// directories hold.
    #[arg(long, global = true, value_name = "DIR", env = "WALLETFS_CONFIG_DIR")]
    #[arg(hide_env_values = true)]
    pub config_dir: Option<PathBuf>,
    /// Log more: what is done, and twice: everything
    ///
    /// Names of files are logged then only.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a wallet, or join one that the store holds already
    Init(Init),
    /// Unlock the wallet and mount it on a directory
    Mount(Mount),
    /// Store what is unsaved, lock, and unmount one directory
    Unmount(Unmount),
    /// Lock every mount of the wallet
    Lock,
    /// Show what is mounted, for how long, and what is not enforced
    Status(Status),
    /// Change the memorable or the device password
    Passwd(Passwd),
    /// Seal everything under a new key, so that no copy of the old one opens anything
    Rekey(Rekey),
    /// Make a recovery key, which opens the wallet when a password is lost
    RecoveryKey(RecoveryKey),
    /// Open and verify every secret; name what is wrong
    Check(Check),
    /// Mount for one command, named by WALLETFS_MOUNT in its environment, and lock when it ends
    Exec(Exec),
    /// Read and set what this device is told about the wallet
    Conf(Conf),
    /// Copy the sealed secrets, beside the wallet in its store or to a file
    Backup(Backup),
    /// Bring the wallet back to what a backup holds
    Restore(Restore),
    /// Move the wallet to another store
    Migrate(Migrate),
    /// Take secrets in from another manager
    Import(Box<super::import::args::Import>),
    /// Write secrets for another manager
    Export(super::export::Export),
    /// Put a file's content on the clipboard for a while
    Copy(Copy),
    /// Print a password that is made by chance
    Generate(Generate),
    /// Begun by another walletfs: a password on standard input, advice on standard output.
    #[command(hide = true)]
    Estimate,
    /// Print what completes the command line in a shell
    Completions(Completions),
    /// What a shell calls.
    #[command(hide = true)]
    Complete(Complete),
}

/// The two options that name a password's source.
macro_rules! source {
    ($name:ident, $which:expr, $what:literal, $command:literal, $fd:literal, $variable:literal,
     $command_id:literal, $fd_id:literal) => {
        #[doc = concat!("Where ", $what, " comes from.")]
        #[derive(Clone, Debug, Default, Args)]
        pub struct $name {
            #[arg(long = $command, value_name = "CMD", conflicts_with = $fd_id, id = $command_id)]
            #[arg(help = concat!("A command whose first line of output is ", $what,
                                                         " (also as environment ", $variable, ")"))]
            command: Option<OsString>,
            #[arg(long = $fd, value_name = "N", id = $fd_id)]
            #[arg(value_parser = clap::value_parser!(i32).range(0..))]
            #[arg(help = concat!("An open descriptor whose first line is ", $what))]
            fd: Option<RawFd>,
        }

        impl $name {
            /// The source (see [`Source::choose`]).
            pub fn source(self) -> Result<Source, Failure> {
                Source::choose($which, self.command, self.fd)
            }
        }
    };
}

source!(
    Memorable,
    Which::Memorable,
    "the memorable password",
    "memorable-password-command",
    "memorable-password-fd",
    "WALLETFS_MEMORABLE_PASSWORD_COMMAND",
    "memorable_command",
    "memorable_fd"
);
source!(
    Device,
    Which::Device,
    "the device password",
    "device-password-command",
    "device-password-fd",
    "WALLETFS_DEVICE_PASSWORD_COMMAND",
    "device_command",
    "device_fd"
);
source!(
    NewMemorable,
    Which::NewMemorable,
    "the new memorable password",
    "new-memorable-password-command",
    "new-memorable-password-fd",
    "WALLETFS_NEW_MEMORABLE_PASSWORD_COMMAND",
    "new_memorable_command",
    "new_memorable_fd"
);
source!(
    NewDevice,
    Which::NewDevice,
    "the new device password",
    "new-device-password-command",
    "new-device-password-fd",
    "WALLETFS_NEW_DEVICE_PASSWORD_COMMAND",
    "new_device_command",
    "new_device_fd"
);
source!(
    Recovery,
    Which::RecoveryKey,
    "the recovery key",
    "recovery-key-command",
    "recovery-key-fd",
    "WALLETFS_RECOVERY_KEY_COMMAND",
    "recovery_command",
    "recovery_fd"
);

/// `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where the wallet is kept; without it, everything is asked on the terminal
    ///
    /// In one SQLite file, or in a table of Amazon DynamoDB. Without this option and without a
    /// terminal, `local`.
    #[arg(long, value_enum, value_name = "STORE")]
    pub store: Option<StoreKind>,
    /// Where exactly.
    #[command(flatten)]
    pub settings: Settings,
    /// This device is set up, and the device password was changed on another: only make its key
    ///
    /// Nothing else changes.
    #[arg(long, conflicts_with_all = ["store", "recovery", "recovery_key"])]
    #[arg(conflicts_with_all = Settings::ALL)]
    pub rejoin: bool,
    /// Join a wallet whose passwords are lost by its recovery key, and choose new ones
    ///
    /// Other devices must join again.
    #[arg(long, conflicts_with = "recovery_key")]
    pub recovery: bool,
    /// Make a recovery key for a new wallet, and print it
    ///
    /// On a terminal it is asked. See walletfs-recovery-key(1).
    #[arg(long)]
    pub recovery_key: bool,
    /// Print the least that AWS must allow for this wallet and table, as a policy for IAM, and do
    /// nothing else
    ///
    /// Table and region are those of the options, or else of the wallet's configuration; without a
    /// region the policy holds for each.
    #[arg(long, conflicts_with_all = ["store", "path", "profile", "endpoint_url", "commit_limit"])]
    #[arg(conflicts_with_all = ["rejoin", "recovery", "recovery_key"])]
    pub print_iam_policy: bool,
    /// The device password's source.
    #[command(flatten)]
    pub device: Device,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
    /// The recovery key's source.
    #[command(flatten)]
    pub recovery_source: Recovery,
}

/// The settings of a store, whichever it is.
#[derive(Debug, Args)]
pub struct Settings {
    /// The file of a local store [default: WALLET.sqlite in the data directory]
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// The DynamoDB table, which wallets share [default: walletfs]
    #[arg(long, value_name = "T")]
    pub table: Option<String>,
    /// The profile of AWS credentials [default: AWS's own rules]
    #[arg(long, value_name = "P")]
    pub profile: Option<String>,
    /// The AWS region [default: AWS's own rules]
    #[arg(long, value_name = "R")]
    pub region: Option<String>,
    /// A DynamoDB engine other than AWS's
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The most changes that the engine takes in one commit, if fewer than 100
    #[arg(long, value_name = "N", value_parser = commit_limit)]
    pub commit_limit: Option<usize>,
}

impl Settings {
    /// The ids of the options.
    pub const ALL: [&'static str; 6] = [
        "path",
        "table",
        "profile",
        "region",
        "endpoint_url",
        "commit_limit",
    ];

    /// Puts those that are given into a configuration.
    pub(super) fn set(&self, config: &mut Config) {
        fn given<T: Clone>(option: &Option<T>, setting: &mut Option<T>) {
            if option.is_some() {
                setting.clone_from(option);
            }
        }
        given(&self.path, &mut config.path);
        given(&self.table, &mut config.table);
        given(&self.profile, &mut config.profile);
        given(&self.region, &mut config.region);
        given(&self.endpoint_url, &mut config.endpoint_url);
        given(&self.commit_limit, &mut config.commit_limit);
    }
}

/// `passwd`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Passwd {
    /// Change the memorable password
    ///
    /// Other devices use the new one from their next mount on.
    #[arg(long, group = "what")]
    pub memorable: bool,
    /// Change the device password: every other device must join again
    ///
    /// It asks for the memorable password and for the old device password too. Every other device
    /// says that it must join again: `walletfs init --rejoin`.
    #[arg(long, group = "what")]
    pub device: bool,
    /// Choose both anew, by the recovery key
    ///
    /// For when one of them is lost.
    #[arg(long, group = "what")]
    pub recovery: bool,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable_source: Memorable,
    /// The device password's source.
    #[command(flatten)]
    pub device_source: Device,
    /// The new memorable password's source.
    #[command(flatten)]
    pub new_memorable: NewMemorable,
    /// The new device password's source.
    #[command(flatten)]
    pub new_device: NewDevice,
    /// The recovery key's source.
    #[command(flatten)]
    pub recovery_source: Recovery,
}

/// `rekey`.
#[derive(Debug, Args)]
pub struct Rekey {
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `recovery-key`.
#[derive(Debug, Args)]
pub struct RecoveryKey {
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Keep every secret that opens, name the others, and make the wallet writable again
    ///
    /// It makes a backup in the store first, and takes a generation above all that are known. On a
    /// terminal it asks first.
    #[arg(long)]
    pub repair: bool,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `mount`.
#[derive(Debug, Args)]
pub struct Mount {
    /// An empty directory, or one to be made
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Stay in the foreground; an interrupt locks
    ///
    /// It logs to standard error. The exit code is 1 if unsaved content was lost. A service manager
    /// that sets NOTIFY_SOCKET is told when the mount answers and when the wallet locks.
    #[arg(long)]
    pub foreground: bool,
    /// Take an older state of the wallet for the newest, after a look at both and a question
    ///
    /// When the store shows an older state of the wallet than this device has seen (exit code 16),
    /// this shows generation and date of both and asks, on a terminal, whether the older one is
    /// meant: a file that was copied back, a table that was restored. It then goes on with a
    /// generation above both, which every device takes. What was changed in between is lost.
    #[arg(long, conflicts_with_all = ["read_only", "background"])]
    pub accept_rollback: bool,
    /// How the session goes.
    #[command(flatten)]
    pub session: Session,
    /// Begun by another walletfs: password on standard input, outcome on standard output.
    #[arg(long, hide = true, requires = "foreground")]
    pub background: bool,
    /// Lock when standard input is closed, and remove the directory: for `exec`.
    #[arg(long, hide = true, requires = "background")]
    pub leash: bool,
    /// Execute no programs of the mount: for mount(8), whose `user` implies it.
    #[arg(long, hide = true)]
    pub no_exec: bool,
}

/// How a session goes: what `mount` and `exec` have in common.
#[derive(Clone, Debug, Args)]
pub struct Session {
    /// Refuse every change
    #[arg(long)]
    pub read_only: bool,
    /// Lock after this many seconds without an access; 0 is never [default: 60]
    ///
    /// Only an access to a secret counts. Unsaved content holds this off.
    #[arg(long, value_name = "S", value_parser = whole_seconds)]
    pub timeout: Option<u64>,
    /// Lock after this many seconds whatever happens; 0 is never [default: 600]
    #[arg(long, value_name = "S", value_parser = whole_seconds)]
    pub lifetime: Option<u64>,
    /// Show files for this many seconds without asking the store [default: 1]
    ///
    /// Decimals are allowed. After that time the store is asked whether another device changed
    /// something.
    #[arg(long, value_name = "S")]
    pub cache_ttl: Option<Seconds>,
    /// Write a line of JSON to this file for each open of a secret
    ///
    /// Lines are added to its end. See AUDIT LOG in walletfs-mount(1).
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// The memorable password's source.
    #[command(flatten)]
    pub memorable: Memorable,
}

/// `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// How the session goes.
    #[command(flatten)]
    pub session: Session,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, last = true)]
    pub command: Vec<OsString>,
}

/// `unmount`.
#[derive(Debug, Args)]
pub struct Unmount {
    /// The directory that a wallet is mounted on
    #[arg(value_name = "DIR", add = ArgValueCandidates::new(completions::mounts))]
    pub dir: PathBuf,
    /// Unmount also when unsaved content cannot be stored, which then is lost
    #[arg(long)]
    pub discard: bool,
}

/// `conf`.
#[derive(Debug, Args)]
pub struct Conf {
    /// One setting only
    ///
    /// Without a value, shows it.
    #[arg(value_name = "KEY", add = ArgValueCandidates::new(completions::settings))]
    pub key: Option<String>,
    /// Its new value, for mounts from now on
    #[arg(value_name = "VALUE", requires = "key", allow_negative_numbers = true)]
    pub value: Option<OsString>,
    /// Take the setting out, so that its default holds
    #[arg(long, requires = "key", conflicts_with = "value")]
    pub unset: bool,
    /// As JSON
    ///
    /// An object of all settings, those included that this version does not know, or the value of
    /// KEY; `null` is none.
    #[arg(long, conflicts_with_all = ["value", "unset"])]
    pub json: bool,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// One mount only
    #[arg(value_name = "DIR", add = ArgValueCandidates::new(completions::mounts))]
    pub dir: Option<PathBuf>,
    /// As JSON
    ///
    /// An array, or one object for DIR. The same object is the content of the file
    /// `.walletfs/status` in the mount.
    #[arg(long)]
    pub json: bool,
}

/// `copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// A file of a mounted wallet, or any other; a newline at its end is left out
    #[arg(value_name = "PATH", required_unless_present = "background", value_hint = ValueHint::FilePath)]
    pub path: Option<PathBuf>,
    /// Clear the clipboard after this many seconds, if nothing else was copied
    #[arg(long, value_name = "S", default_value_t = 45)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub clear_after: u64,
    /// Begun by another walletfs: content on standard input, outcome on standard output.
    #[arg(long, hide = true)]
    pub background: bool,
}

/// `generate`.
#[derive(Debug, Args)]
pub struct Generate {
    /// So many characters, which keep the rules for passwords of wallets [default: 20]
    #[arg(long, value_name = "N", conflicts_with = "words", value_parser = password_length)]
    pub length: Option<usize>,
    /// So many words that can be remembered, of the EFF's long list
    #[arg(long, value_name = "N", value_parser = word_count)]
    pub words: Option<usize>,
}

/// A name that is a file's name and none of a backup's.
fn wallet_name(name: &str) -> Result<String, &'static str> {
    /// Leaves room for the ends that walletfs puts to it in file names (at most 255 bytes).
    const NAME_BYTES: usize = 200;
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > NAME_BYTES {
        Err("it has more than 200 bytes")
    } else if name.starts_with('.') {
        Err("it begins with a dot")
    } else if name.contains('/') {
        Err("it contains a slash")
    } else if name.contains(char::is_control) {
        Err("it contains a control character")
    } else if name.contains(".backup-") {
        Err("`.backup-` is for the names of backups")
    } else {
        Ok(name.to_owned())
    }
}

fn whole_seconds(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "not a whole number of seconds")
}

fn password_length(text: &str) -> Result<usize, String> {
    within(text, LENGTHS)
}

fn word_count(text: &str) -> Result<usize, String> {
    within(text, WORD_COUNTS)
}

fn within(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a number from {} to {}", range.start(), range.end()))
}

fn commit_limit(text: &str) -> Result<usize, String> {
    check_commit_limit(text.parse().map_err(|_| "not a number")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn names_of_wallets() {
        for good in ["default", "a", "my wallet", "Ä", "a.b", "x.backup"] {
            assert_eq!(wallet_name(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(201);
        for bad in ["", ".a", "a/b", "..", "a\nb", "a\0b", "w.backup-1", &long] {
            assert!(wallet_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_has_one_source() {
        let parse =
            |args: &[&str]| Cli::try_parse_from(["walletfs", "mount", "d"].iter().chain(args));
        assert!(parse(&["--memorable-password-fd", "3"]).is_ok());
        assert!(parse(&["--memorable-password-fd", "-1"]).is_err());
        let both = [
            "--memorable-password-fd",
            "3",
            "--memorable-password-command",
            "x",
        ];
        assert!(parse(&both).is_err());
        assert!(parse(&["--background"]).is_err());
        assert!(parse(&["--foreground", "--leash"]).is_err());
        assert!(parse(&["--memorable-password", "x"]).is_err());
    }

    #[test]
    fn settings_are_of_a_store_that_is_named() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        for setting in ["--table=t", "--path=p", "--region=r", "--commit-limit=9"] {
            for command in ["migrate", "restore"] {
                let refused = parse(&format!("walletfs {command} {setting}")).unwrap_err();
                assert!(refused.to_string().contains("--store"), "{refused}");
                let named = format!("walletfs {command} --store=dynamodb {setting} --profile=x");
                assert!(parse(&named).is_ok(), "{named}");
            }
            // Those that are not given are asked for.
            assert!(parse(&format!("walletfs init {setting}")).is_ok());
            assert!(parse(&format!("walletfs init --rejoin {setting}")).is_err());
        }
    }
}
