use super::*;
use crate::wallet::Field;
use std::io::Write;

fn document(meta: &str, root: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><KeePassFile><Meta>{meta}</Meta><Root><Group><UUID>r</UUID>\
         <Name>Home</Name>{root}</Group></Root></KeePassFile>"
    )
}

fn entry(title: &str, more: &str) -> String {
    format!(
        "<Entry><UUID>e</UUID><Times><LastModificationTime>2020-02-01T08:27:03Z\
         </LastModificationTime></Times><String><Key>Title</Key><Value>{title}</Value></String>\
         {more}</Entry>"
    )
}

fn string(key: &str, value: &str) -> String {
    format!("<String><Key>{key}</Key><Value>{value}</Value></String>")
}

fn told(xml: &str) -> String {
    match read(xml.as_bytes()) {
        Ok(_) => panic!("it should be refused"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_export_is_taken_whole() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"packed").unwrap();
    let gzip = STANDARD.encode(gzip.finish().unwrap());
    let meta = format!(
        "<RecycleBinUUID>bin</RecycleBinUUID><Binaries><Binary ID=\"0\" Compressed=\"True\">\
         {gzip}</Binary><Binary ID=\"1\">cGxhaW4=</Binary></Binaries>"
    );
    let more = [
        string("UserName", "joe &amp; co"),
        "<String><Key>Password</Key><Value ProtectInMemory=\"True\"><![CDATA[a<b]]>&#x20;\
         </Value></String>"
            .into(),
        string("URL", ""),
        string("Notes", "two\nlines"),
        string("notes", "own"),
        string("empty", ""),
        "<Binary><Key>a</Key><Value Ref=\"0\"/></Binary><Binary><Key>b</Key>\
         <Value Ref=\"1\"/></Binary><Binary><Key>c</Key><Value Ref=\"9\"/></Binary>"
            .into(),
        format!(
            "<History>{}</History>",
            entry("old", &string("UserName", "old"))
        ),
    ]
    .concat();
    let inner = format!(
        "<Group><Name>bank</Name><Group><Name>eu</Name>{}</Group></Group>\
         <Group><UUID>bin</UUID><Name>Bin</Name>{}</Group>{}",
        entry("main", &more),
        entry("gone", ""),
        entry("top", ""),
    );
    let source = read(document(&meta, &inner).as_bytes()).unwrap();
    let names: Vec<_> = source
        .secrets
        .iter()
        .map(|found| (found.domain.as_str(), found.access.as_str()))
        .collect();
    assert_eq!(names, [("bank/eu", "main"), ("Home", "top")]);
    let fields = &source.secrets[0].fields;
    let expected = [
        (Field::Uid, "joe & co"),
        (Field::Pwd, "a<b "),
        (Field::Info("a".into()), "packed"),
        (Field::Info("b".into()), "plain"),
        (Field::Info("empty".into()), ""),
        (Field::Info("notes".into()), "own"),
        (Field::Info("notes 2".into()), "two\nlines"),
    ];
    for (field, value) in &expected {
        assert_eq!(fields[field].value.expose(), value.as_bytes());
        assert_eq!(fields[field].mtime_ns, Some(1_580_545_623_000_000_000));
    }
    assert_eq!(fields.len(), expected.len());
    let left: Vec<_> = source.left_out.iter().map(|s| &s[..10]).collect();
    assert_eq!(left, ["1 entries ", "1 old vers"]);
    assert_eq!(source.lost.len(), 1);
}

#[test]
fn nothing_of_the_documents_own_making_is_expanded() {
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"Secret\">\
                  <!ENTITY b \"&a;&a;\">]><KeePassFile>&b;</KeePassFile>";
    assert!(told(laughs).contains("document type"));
    let entity = document("", &entry("&Secret;", ""));
    let told = told(&entity);
    assert!(
        told.contains("entity") && !told.contains("Secret"),
        "{told}"
    );
}

#[test]
fn what_is_no_whole_document_is_refused() {
    let whole = document("", &entry("t", &string("Password", "Secret")));
    assert!(read(whole.as_bytes()).is_ok());
    for end in 0..whole.len() - 1 {
        assert!(!told(&whole[..end]).contains("Secret"), "{end}");
    }
    for xml in [
        "<html></html>",
        "<KeePassFile></KeePassFile>",
        "<KeePassFile><Root></KeePassFile>",
        &document(
            "",
            &format!("{}{}", "<Group>".repeat(200), "</Group>".repeat(200)),
        ),
        &document(
            "",
            &entry(
                "t",
                "<String><Key>k</Key><Value Protected=\"True\">Secret</Value></String>",
            ),
        ),
    ] {
        assert!(!told(xml).contains("Secret"));
    }
}

#[test]
fn what_is_packed_is_not_unpacked_beyond_a_bound() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&vec![0; 100_001]).unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(unpacked(&gzip, 100_001).unwrap().len(), 100_001);
    assert!(matches!(
        unpacked(&gzip, 100_000),
        Err(SourceError::TooLarge(_))
    ));
    assert!(unpacked(&gzip[..gzip.len() - 9], 200_000).is_err());
}

/// However often a file is attached, it is in memory once.
#[test]
fn attached_files_are_shared() {
    let meta = "<Binaries><Binary ID=\"0\">cGxhaW4=</Binary></Binaries>";
    let file = |key: &str| format!("<Binary><Key>{key}</Key><Value Ref=\"0\"/></Binary>");
    let root = [
        entry("a", &(file("1") + &file("2"))),
        entry("b", &file("1")),
    ]
    .concat();
    let source = read(document(meta, &root).as_bytes()).unwrap();
    let fields = source
        .secrets
        .iter()
        .flat_map(|found| found.fields.values());
    let values: Vec<_> = fields.map(|found| found.value.clone()).collect();
    assert_eq!(values.len(), 3);
    assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    assert_eq!(values[0].expose(), b"plain");
}
