//! Every numbered claim of `man/walletfs-security.7.md` names tests that are there, and every section
//! says what is not claimed.

use crate::pages::Page;
use crate::tests::Test;

#[test]
fn every_claim_names_tests_that_are_there() {
    let page = Page::all()
        .into_iter()
        .find(|page| page.path.ends_with("walletfs-security.7.md"))
        .expect("the page is there");
    let there = Test::names();
    assert!(there.len() > 500, "{}", there.len());
    let (mut section, mut claims, mut disclaimed) = (0, 0, 0);
    for line in page.prose() {
        if let Some(heading) = line.strip_prefix("## ") {
            assert_eq!(disclaimed, section, "above {heading}: what is not claimed");
            if let Some((number, _)) = heading.split_once(". ") {
                section += 1;
                assert_eq!(number, section.to_string());
                claims = 0;
            }
        }
        disclaimed += usize::from(line.starts_with("*Not claimed.*"));
        let Some(claim) = line.strip_prefix("- **") else {
            continue;
        };
        claims += 1;
        let (number, claim) = claim.split_once("** ").expect("a number");
        assert_eq!(number, format!("{section}.{claims}"));
        let (_, proofs) = claim.split_once(" Proved by ").expect(number);
        let proofs: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        assert!(!proofs.is_empty(), "{number}");
        for proof in proofs {
            assert!(there.contains(proof), "{number}: there is no test {proof}");
        }
    }
    assert_eq!((section, disclaimed), (8, 8));
}
