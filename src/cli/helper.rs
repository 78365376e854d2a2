//! The way in from mount(8) and fstab(5): called as `mount.SOMETHING`, the program is a helper of
//! mount(8) and takes that one's arguments, `SPEC DIR [-fnsv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]`.
//! They become arguments of `walletfs mount`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Why nothing is mounted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Declined {
    /// mount(8) only tries (`-f`).
    Nothing,
    /// The arguments are not understood.
    Usage(String),
}

/// Options that have a value, and become ones of `walletfs`.
const VALUES: [&str; 6] = [
    "timeout",
    "lifetime",
    "cache-ttl",
    "audit",
    "config-dir",
    "memorable-password-command",
];

/// Options that say what holds anyway, or what mount(8) itself has seen to.
const NOTHING_TO_DO: [&[u8]; 22] = [
    b"",
    b"rw",
    b"defaults",
    b"auto",
    b"noauto",
    b"user",
    b"users",
    b"owner",
    b"group",
    b"nouser",
    b"nofail",
    b"_netdev",
    b"async",
    b"exec",
    b"nodev",
    b"nosuid",
    b"noatime",
    b"nodiratime",
    b"relatime",
    b"norelatime",
    b"silent",
    b"nomand",
];

/// The arguments for `walletfs`, if the program was called by the name of a helper.
pub(super) fn arguments(
    called: impl Iterator<Item = OsString>,
) -> Option<Result<Vec<OsString>, Declined>> {
    let mut called = called;
    let name = called.next()?;
    let name = Path::new(&name).file_name()?.as_bytes();
    name.starts_with(b"mount.").then(|| translate(called))
}

fn usage(message: impl Into<String>) -> Declined {
    Declined::Usage(message.into())
}

fn translate(mut arguments: impl Iterator<Item = OsString>) -> Result<Vec<OsString>, Declined> {
    let mut places = Vec::new();
    let mut options = Vec::new();
    let (mut fake, mut sloppy, mut verbose) = (false, false, false);
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        let Some((flag, rest)) = bytes.strip_prefix(b"-").and_then(<[u8]>::split_first) else {
            places.push(argument);
            continue;
        };
        match flag {
            b'o' | b't' => {
                let value = match rest.is_empty() {
                    true => arguments.next(),
                    false => Some(OsStr::from_bytes(rest).to_owned()),
                };
                let value = value.ok_or_else(|| usage("an option lacks its value"))?;
                if *flag == b'o' {
                    options.extend(split(value.as_bytes()));
                }
            }
            b'f' | b'n' | b's' | b'v' => {
                for flag in &bytes[1..] {
                    match flag {
                        b'f' => fake = true,
                        b's' => sloppy = true,
                        b'v' => verbose = true,
                        // There is no table of mounts to keep.
                        b'n' => {}
                        _ => return Err(usage(unknown(bytes))),
                    }
                }
            }
            _ => return Err(usage(unknown(bytes))),
        }
    }
    let [spec, dir] = <[OsString; 2]>::try_from(places)
        .map_err(|_| usage("mount(8) gives a helper what to mount, and where"))?;

    let mut wallet = match spec.as_bytes() {
        b"none" | b"walletfs" => None,
        _ => Some(spec),
    };
    let mut before = Vec::new();
    let mut after = Vec::new();
    for option in options {
        let (name, value) = match option.iter().position(|b| *b == b'=') {
            Some(at) => (&option[..at], Some(unquoted(&option[at + 1..]))),
            None => (&option[..], None),
        };
        let known = VALUES.iter().find(|known| known.as_bytes() == name);
        match (name, known, value) {
            (b"wallet", _, Some(value)) => wallet = Some(value),
            (_, Some(known), Some(value)) => {
                after.push(format!("--{known}").into());
                after.push(value);
            }
            (b"ro", ..) => after.push("--read-only".into()),
            (b"noexec", ..) => after.push("--no-exec".into()),
            (b"comment" | b"user", _, Some(_)) => {}
            (name, ..) if NOTHING_TO_DO.contains(&name) => {}
            (name, ..) if name.starts_with(b"x-") || name.starts_with(b"X-") => {}
            _ if sloppy => {}
            (name, ..) => return Err(usage(unknown(name))),
        }
    }
    if fake {
        return Err(Declined::Nothing);
    }
    if let Some(wallet) = wallet {
        before.extend(["--wallet".into(), wallet]);
    }
    before.extend(verbose.then(|| "--verbose".into()));
    let mut all: Vec<OsString> = vec!["walletfs".into()];
    all.extend(before);
    all.push("mount".into());
    all.extend(after);
    all.extend(["--".into(), dir]);
    Ok(all)
}

fn unknown(option: &[u8]) -> String {
    format!(
        "`{}` is no option that walletfs knows; see walletfs-mount(1), \"FROM MOUNT AND FSTAB\"",
        String::from_utf8_lossy(option)
    )
}

/// Options are separated by commas, but not within double quotes (as in mount(8)).
fn split(options: &[u8]) -> Vec<Vec<u8>> {
    let mut quoted = false;
    let parts = options.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    parts.map(<[u8]>::to_vec).collect()
}

fn unquoted(value: &[u8]) -> OsString {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    OsString::from_vec(inner.unwrap_or(value).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Cli;
    use clap::Parser;

    fn called(line: &[&str]) -> Option<Result<Vec<String>, Declined>> {
        let arguments = arguments(line.iter().map(OsString::from))?;
        Some(arguments.map(|all| {
            let all = all.into_iter();
            all.map(|argument| argument.into_string().unwrap())
                .collect()
        }))
    }

    #[test]
    fn only_a_helpers_name_makes_a_helper() {
        for name in ["walletfs", "/usr/bin/walletfs", "remount.x", "mount"] {
            assert_eq!(called(&[name, "status"]), None, "{name}");
        }
        assert_eq!(called(&[]), None);
        for name in ["/sbin/mount.fuse.walletfs", "mount.walletfs"] {
            assert!(called(&[name, "default", "/w"]).is_some(), "{name}");
        }
    }

    #[test]
    fn what_mount_says_becomes_arguments() {
        let options = "rw,noexec,nosuid,nodev,user=joe,timeout=300,audit=/a,x-gvfs-hide,\
                       memorable-password-command=\"echo a,b\"";
        let all = called(&[
            "mount.fuse.walletfs",
            "work",
            "/home/joe/w",
            "-v",
            "-o",
            options,
            "-t",
            "fuse.walletfs",
        ]);
        let all = all.unwrap().unwrap();
        assert_eq!(
            all,
            [
                "walletfs",
                "--wallet",
                "work",
                "--verbose",
                "mount",
                "--no-exec",
                "--timeout",
                "300",
                "--audit",
                "/a",
                "--memorable-password-command",
                "echo a,b",
                "--",
                "/home/joe/w"
            ]
        );
        Cli::try_parse_from(all).unwrap();
        let all = called(&["mount.walletfs", "none", "-w", "-oro,wallet=x"]);
        assert_eq!(all, Some(Err(usage(unknown(b"-w")))));
        let all = called(&["mount.walletfs", "none", "w", "-oro,wallet=x"]);
        let expected = [
            "walletfs",
            "--wallet",
            "x",
            "mount",
            "--read-only",
            "--",
            "w",
        ];
        assert_eq!(all.unwrap().unwrap(), expected);
    }

    #[test]
    fn what_is_not_understood_is_refused_unless_mount_is_to_be_sloppy() {
        let bad = ["allow_other", "dev", "uid=0", "timeout", "wallet", "suid"];
        for option in bad {
            let refused = called(&["mount.walletfs", "none", "w", "-o", option]);
            assert!(
                matches!(refused, Some(Err(Declined::Usage(_)))),
                "{option}: {refused:?}"
            );
            let taken = called(&["mount.walletfs", "none", "w", "-s", "-o", option]);
            assert!(taken.unwrap().is_ok(), "{option}");
        }
        assert!(matches!(
            called(&["mount.walletfs", "none"]),
            Some(Err(Declined::Usage(_)))
        ));
        let tried = called(&["mount.walletfs", "none", "w", "-f"]);
        assert_eq!(tried, Some(Err(Declined::Nothing)));
    }
}
