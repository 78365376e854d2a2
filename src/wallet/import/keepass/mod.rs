//! KeePass's XML: an export, or what a KDBX file holds. A group's path is the domain, an entry's
//! title the secret; what has an entry besides user and password becomes info keys, attached files
//! too. Old versions of an entry and the recycle bin are not taken.
//!
//! Nothing of the document's own making is expanded: a document type is refused, and so is every
//! entity but XML's five.

mod entry;
#[cfg(test)]
mod tests;

use super::{MOST_BYTES, Source, SourceError};
use crate::crypto::SecretBytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entry::Entry;
use flate2::read::GzDecoder;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The domain of entries in a root group without a name.
pub const NOWHERE: &str = "keepass";

/// Elements within elements.
const DEEPEST: usize = 100;

/// Opens the values that a KDBX file protects, in the order of the document.
pub(super) type Unprotect<'a> = &'a mut dyn FnMut(&mut [u8]);

/// Reads an export.
pub fn read(xml: &[u8]) -> Result<Source, SourceError> {
    parse(xml, Vec::new(), None)
}

/// Reads a document; `attached` are the files that a KDBX file keeps before it.
pub(super) fn parse<'a>(
    xml: &'a [u8],
    attached: Vec<Arc<SecretBytes>>,
    unprotect: Option<Unprotect<'a>>,
) -> Result<Source, SourceError> {
    let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
    let xml = std::str::from_utf8(xml).map_err(|_| SourceError::malformed("it is not UTF-8"))?;
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut document = Document {
        path: Vec::new(),
        // Room for the longest text there can be: it never moves, and is wiped.
        text: Zeroizing::new(String::with_capacity(xml.len())),
        groups: Vec::new(),
        entry: None,
        history: 0,
        entries: 0,
        recycle_bin: String::new(),
        recycled: 0,
        versions: 0,
        missing: 0,
        attached: attached.into_iter().enumerate().collect(),
        room: MOST_BYTES,
        unprotect,
        source: Source::default(),
    };
    loop {
        let event = reader
            .read_event()
            .map_err(|_| broken(&reader, "it is not XML"))?;
        let done = match event {
            Event::Start(start) => document.start(&start),
            Event::End(_) => document.end(),
            Event::Text(text) => {
                document.text.push_str(&text);
                Ok(())
            }
            Event::CData(text) => {
                document.text.push_str(&text);
                Ok(())
            }
            Event::GeneralRef(entity) => {
                let known = match &*entity {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => entity.resolve_char_ref().ok().flatten(),
                };
                match known {
                    Some(c) => {
                        document.text.push(c);
                        Ok(())
                    }
                    None => Err(SourceError::malformed("it names an entity of its own")),
                }
            }
            Event::DocType(_) => Err(SourceError::malformed(
                "it has a document type, which KeePass never writes",
            )),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Ok(()),
        };
        done.map_err(|error| match error {
            SourceError::Malformed(what) => broken(&reader, &what),
            error => error,
        })?;
    }
    document.finish()
}

fn broken(reader: &Reader<&[u8]>, what: &str) -> SourceError {
    SourceError::malformed(format!("{what} (at byte {})", reader.buffer_position()))
}

struct Document<'a> {
    /// The elements that are open.
    path: Vec<Element>,
    /// The text of the innermost one so far.
    text: Zeroizing<String>,
    groups: Vec<Group>,
    entry: Option<Entry>,
    /// Old versions of the entry that are open.
    history: usize,
    entries: usize,
    recycle_bin: String,
    recycled: usize,
    versions: usize,
    missing: usize,
    attached: BTreeMap<usize, Arc<SecretBytes>>,
    /// Bytes that attached files may still unpack to.
    room: usize,
    unprotect: Option<Unprotect<'a>>,
    source: Source,
}

/// The elements that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    KeePassFile,
    Meta,
    RecycleBinUuid,
    Binaries,
    Binary,
    Group,
    Uuid,
    Called,
    Entry,
    History,
    Times,
    Changed,
    Tags,
    String,
    Key,
    Value,
    Other,
}

/// An element, and what of its attributes matters.
struct Element {
    name: Name,
    protected: bool,
    compressed: bool,
    /// Which attached file it is, or names.
    file: Option<usize>,
}

#[derive(Default)]
struct Group {
    name: String,
    uuid: String,
}

impl Name {
    fn of(name: &str) -> Name {
        match name {
            "KeePassFile" => Name::KeePassFile,
            "Meta" => Name::Meta,
            "RecycleBinUUID" => Name::RecycleBinUuid,
            "Binaries" => Name::Binaries,
            "Binary" => Name::Binary,
            "Group" => Name::Group,
            "UUID" => Name::Uuid,
            "Name" => Name::Called,
            "Entry" => Name::Entry,
            "History" => Name::History,
            "Times" => Name::Times,
            "LastModificationTime" => Name::Changed,
            "Tags" => Name::Tags,
            "String" => Name::String,
            "Key" => Name::Key,
            "Value" => Name::Value,
            _ => Name::Other,
        }
    }
}

impl Document<'_> {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), SourceError> {
        let name = Name::of(start.name().0);
        if self.path.len() >= DEEPEST {
            return Err(SourceError::malformed("its elements lie too deep"));
        }
        if self.path.is_empty() && name != Name::KeePassFile {
            return Err(SourceError::malformed("it is no KeePass document"));
        }
        let mut element = Element {
            name,
            protected: false,
            compressed: false,
            file: None,
        };
        for attribute in start.attributes() {
            let wrong = |_| SourceError::malformed("an attribute is not one");
            let attribute = attribute.map_err(wrong)?;
            let yes = attribute.value.eq_ignore_ascii_case("true");
            match attribute.key.0 {
                "Protected" => element.protected = yes,
                "Compressed" => element.compressed = yes,
                "ID" | "Ref" => element.file = attribute.value.parse().ok(),
                _ => {}
            }
        }
        match name {
            Name::Group => self.groups.push(Group::default()),
            Name::History => self.history += 1,
            Name::Entry if self.history == 0 => self.entry = Some(Entry::default()),
            Name::Entry => self.versions += 1,
            _ => {}
        }
        self.path.push(element);
        self.text.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<(), SourceError> {
        let Some(element) = self.path.pop() else {
            return Ok(());
        };
        let parent = self.path.last().map(|element| element.name);
        let text = std::mem::replace(&mut self.text, Zeroizing::new(String::new()));
        let done = self.ended(&element, parent, &text);
        self.text = text;
        self.text.clear();
        done
    }

    fn ended(
        &mut self,
        element: &Element,
        parent: Option<Name>,
        text: &str,
    ) -> Result<(), SourceError> {
        // Also of old versions: each protected value takes its part of the key stream.
        let value = match (element.name, parent) {
            (Name::Value, Some(Name::String)) => Some(self.value(element, text)?),
            _ => None,
        };
        if element.name == Name::History {
            self.history -= 1;
        }
        if self.history > 0 {
            return Ok(());
        }
        match (element.name, parent) {
            (Name::RecycleBinUuid, Some(Name::Meta)) => self.recycle_bin = text.to_owned(),
            (Name::Binary, Some(Name::Binaries)) => self.binary(element, text)?,
            (Name::Called, Some(Name::Group)) => {
                if let Some(group) = self.groups.last_mut() {
                    group.name = text.to_owned();
                }
            }
            (Name::Uuid, Some(Name::Group)) => {
                if let Some(group) = self.groups.last_mut() {
                    group.uuid = text.to_owned();
                }
            }
            (Name::Group, _) => drop(self.groups.pop()),
            (Name::Entry, _) => {
                if let Some(entry) = self.entry.take() {
                    self.take(entry)?;
                }
            }
            (name, parent) => {
                if let Some(entry) = &mut self.entry {
                    entry.ended(name, parent, element, text, value);
                }
            }
        }
        Ok(())
    }

    /// The value of a string.
    fn value(&mut self, element: &Element, text: &str) -> Result<SecretBytes, SourceError> {
        let Some(unprotect) = self.unprotect.as_mut().filter(|_| element.protected) else {
            return match element.protected {
                // An export has its values in clear.
                true => Err(SourceError::malformed(
                    "its values are protected: import the KDBX file itself, or export it anew",
                )),
                false => Ok(super::value(text)),
            };
        };
        let mut bytes = Zeroizing::new(base64(text)?);
        unprotect(&mut bytes);
        Ok(SecretBytes::new(bytes.to_vec()))
    }

    /// A file that is kept in the head of an export.
    fn binary(&mut self, element: &Element, text: &str) -> Result<(), SourceError> {
        let Some(id) = element.file else {
            return Ok(());
        };
        let bytes = Zeroizing::new(base64(text)?);
        let content = match element.compressed {
            false => bytes,
            true => unpacked(&bytes, self.room)?,
        };
        self.room = self.room.saturating_sub(content.len());
        let content = Arc::new(SecretBytes::new(content.to_vec()));
        self.attached.insert(id, content);
        Ok(())
    }

    /// Makes a secret of an entry.
    fn take(&mut self, entry: Entry) -> Result<(), SourceError> {
        self.entries += 1;
        let bin = &self.recycle_bin;
        if !bin.is_empty() && self.groups.iter().any(|group| group.uuid == *bin) {
            self.recycled += 1;
            return Ok(());
        }
        let domain = match &self.groups[..] {
            [] => String::new(),
            [root] => root.name.clone(),
            [_, groups @ ..] => {
                let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
                names.join("/")
            }
        };
        let domain = match domain.as_str() {
            "" => NOWHERE,
            domain => domain,
        };
        let origin = format!("entry {}", self.entries);
        let (found, missing) = entry.into_found(origin, domain, &self.attached)?;
        self.missing += missing;
        self.source.push(found)
    }

    fn finish(mut self) -> Result<Source, SourceError> {
        if !self.path.is_empty() {
            return Err(SourceError::malformed("it ends too early"));
        }
        if self.entries == 0 {
            return Err(SourceError::malformed("it holds no entry"));
        }
        let source = &mut self.source;
        source.leave_out(self.recycled, "entries in the recycle bin");
        source.leave_out(self.versions, "old versions of entries");
        source.lose(self.missing, "attached files that are missing");
        Ok(self.source)
    }
}

fn base64(text: &str) -> Result<Vec<u8>, SourceError> {
    let decoded = STANDARD.decode(text.trim_ascii());
    decoded.map_err(|_| SourceError::malformed("a value of it is not Base64"))
}

/// Unpacks gzip, at most `most` bytes of it.
pub(super) fn unpacked(packed: &[u8], most: usize) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    // What gzip says of the size is modulo 4 GiB, and may be a lie: it saves growing, no more.
    let hint = packed.len().saturating_sub(4);
    let hint = packed.get(hint..).and_then(|last| last.try_into().ok());
    let hint = hint.map_or(0, |last| u32::from_le_bytes(last) as usize);
    let mut content = Zeroizing::new(Vec::with_capacity(hint.min(most) + 1));
    GzDecoder::new(packed)
        .take(most as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|_| SourceError::malformed("what it has packed is damaged"))?;
    if content.len() > most {
        return Err(SourceError::TooLarge(format!(
            "unpacked it is larger than {} MiB: that is no database of passwords",
            MOST_BYTES >> 20
        )));
    }
    Ok(content)
}
