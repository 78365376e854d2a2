//! Every statement of `man/walletfs-semantics.7.md` is proved by a test that cites its number: in the
//! documentation of the test, `semantics` and the numbers, as in "semantics 4.2, 4.3".

use crate::pages::Page;
use crate::tests::{Test, sources};
use std::collections::BTreeSet;
use std::fs;

/// The word that citations begin with. (Put together, since this file is searched too.)
const WORD: &str = concat!("seman", "tics ");

/// The numbers that a text cites.
fn cited(text: &str) -> Vec<String> {
    let number = |word: &str| {
        let number = word.trim_end_matches(|c: char| !c.is_ascii_digit());
        let (section, statement) = number.split_once('.')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        (digits(section) && digits(statement)).then(|| number.to_owned())
    };
    let lists = text.split(WORD).skip(1);
    lists
        .flat_map(|list| {
            let mut words = list.split_whitespace();
            let mut more = true;
            std::iter::from_fn(move || {
                let word = words.next().filter(|_| more)?;
                more = word.ends_with(',');
                number(word)
            })
        })
        .collect()
}

/// The statements of the page, in their order.
fn statements(page: &Page) -> Vec<String> {
    let lines = page.prose().filter_map(|line| line.strip_prefix("- **"));
    lines
        .filter_map(|line| line.split_once("** "))
        .map(|(number, _)| number.to_owned())
        .collect()
}

#[test]
fn every_statement_is_proved_and_every_citation_leads_to_one() {
    let page = Page::all()
        .into_iter()
        .find(|page| page.path.ends_with("walletfs-semantics.7.md"))
        .expect("the page is there");
    let stated = statements(&page);
    let once: BTreeSet<_> = stated.iter().cloned().collect();
    assert_eq!(once.len(), stated.len(), "a number is given twice");
    assert!(stated.len() > 50, "{}", stated.len());
    // Sections and statements count from one, without a gap.
    let mut expected = Vec::new();
    for section in 1.. {
        let of = stated
            .iter()
            .filter(|number| number.starts_with(&format!("{section}.")))
            .count();
        if of == 0 {
            break;
        }
        expected.extend((1..=of).map(|statement| format!("{section}.{statement}")));
    }
    assert_eq!(stated, expected);
    // The page's own references, in parentheses.
    for line in page.prose() {
        for (at, _) in line.match_indices('(') {
            let number = line[at + 1..].split([')', ',']).next().unwrap_or_default();
            let is_one = number.contains('.') && number.starts_with(|c: char| c.is_ascii_digit());
            assert!(!is_one || once.contains(number), "({number}) leads nowhere");
        }
    }

    let tests = Test::all();
    let mut proved = BTreeSet::new();
    let mut by_tests = 0;
    for test in &tests {
        for number in cited(&test.doc) {
            let (file, name) = (test.file.display(), &test.name);
            assert!(once.contains(&number), "{file}: {name} cites {number}");
            by_tests += 1;
            proved.insert(number);
        }
    }
    let missing: Vec<_> = once.difference(&proved).collect();
    assert!(missing.is_empty(), "not proved by any test: {missing:?}");

    // No citation stands anywhere but in the documentation of a test, where it would prove nothing.
    let mut everywhere = 0;
    for source in sources() {
        let text = fs::read_to_string(crate::pages::root().join(&source)).expect("it is text");
        let comments = text.lines().map(str::trim_start);
        let comments = comments.filter_map(|line| line.strip_prefix("//"));
        let joined: String = comments.map(|line| line.trim_start_matches('/')).collect();
        if source != *"tests/docs/semantics.rs" {
            everywhere += cited(&joined).len();
        }
    }
    assert_eq!(
        everywhere, by_tests,
        "a citation proves nothing where it is"
    );
}

#[test]
fn citations_are_read() {
    let text = format!("{WORD}4.2, 4.3). As {WORD}10.11; and 5.5, {WORD}x");
    assert_eq!(cited(&text), ["4.2", "4.3", "10.11"]);
}
