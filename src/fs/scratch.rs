//! Names of editors' and desktops' scratch files. Such a file, created through a mount, lives in
//! that mount's memory only.

/// Whether a file of this name, created with O_EXCL, is vim's test whether it can make files beside
/// the one that it saves (also neovim's). Where it can, it saves in three steps: it renames the old
/// file, writes a new one, removes the old one. Each would be a commit, and other devices would not
/// find the file between them. Where it cannot, it saves in place, in one commit.
pub fn is_probe(name: &str) -> bool {
    name == "4913"
}

/// Whether a file of this name (as shown) that is created through a mount stays in its memory:
/// `.*.sw?`, `.*.swpx`, `*~`, `4913`, `.#*`, `#*#`, `._*`, `.DS_Store`, `.goutputstream-*`, `.nfs*`, as in
/// glob(7) with a leading period matched.
pub fn is_scratch(name: &str) -> bool {
    let vim_swap = |name: &str| {
        let Some(rest) = name.strip_prefix('.') else {
            return false;
        };
        let swpx = rest.strip_suffix(".swpx").is_some();
        // `.sw` and one character, whatever its length in bytes.
        let mut chars = rest.chars();
        swpx || (chars.next_back().is_some() && chars.as_str().ends_with(".sw"))
    };
    name == ".DS_Store"
        || is_probe(name)
        || name.ends_with('~')
        || (name.len() > 1 && name.starts_with('#') && name.ends_with('#'))
        || [".#", "._", ".goutputstream-", ".nfs"]
            .iter()
            .any(|p| name.starts_with(p))
        || vim_swap(name)
}

#[cfg(test)]
mod tests {
    use super::is_scratch;

    #[test]
    fn the_patterns_of_the_design() {
        for name in [
            ".pwd.swp",
            ".pwd.swo",
            ".a b.swé",
            ".x.swpx",
            "..swp",
            "pwd~",
            "4913",
            "~",
            ".#pwd",
            "#pwd#",
            "##",
            "._pwd",
            ".DS_Store",
            ".goutputstream-X1Y2Z3",
            ".nfs0001",
        ] {
            assert!(is_scratch(name), "{name}");
        }
        for name in [
            "pwd",
            ".hidden",
            "swp",
            "a.swp",
            ".swp",
            ".x.sw",
            ".x.swpxy",
            "#",
            "#pwd",
            "pwd#",
            "~pwd",
            "49130",
            "DS_Store",
            ".ds_store",
            "goutputstream-1",
            ".n",
        ] {
            assert!(!is_scratch(name), "{name}");
        }
    }
}
