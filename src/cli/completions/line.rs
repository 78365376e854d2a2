//! The words of a command line that is being typed, as bash reads them: it hands the line over as it
//! is, since what it takes for words itself is cut at `:` and `=` and still quoted.

/// The words without their quotes. The last is the one that is being typed: empty after a space, and
/// perhaps within a quote that is not closed yet.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut quote, mut begun) = (None, false);
    let mut letters = line.chars();
    while let Some(c) = letters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.push(c),
            (Some(_), '\\') => match letters.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                next => word.extend(['\\'].into_iter().chain(next)),
            },
            (None, '\\') => {
                begun = true;
                word.extend(letters.next());
            }
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ' ' | '\t' | '\n') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, c) => {
                word.push(c);
                begun = true;
            }
        }
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bash() {
        let cases: [(&str, &[&str]); 11] = [
            ("", &[""]),
            ("walletfs", &["walletfs"]),
            ("walletfs ", &["walletfs", ""]),
            ("walletfs  --store=lo", &["walletfs", "--store=lo"]),
            (r"w a\ b\", &["w", "a b"]),
            (r"w 'a \b", &["w", r"a \b"]),
            (r#"w "a \b \" \$"#, &["w", r#"a \b " $"#]),
            (r#"w a'b c'"d" "#, &["w", "ab cd", ""]),
            ("w '' ", &["w", "", ""]),
            ("w a:b", &["w", "a:b"]),
            ("w ä\tb", &["w", "ä", "b"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
