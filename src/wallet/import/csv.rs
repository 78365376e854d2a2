//! Tables with a header: walletfs's own CSV, and those of Chrome, Firefox, 1Password and whoever
//! else names the columns in the usual words.
//!
//! walletfs's own has a line a field (`domain`, `access`, `field`, `key`, `value`, `encoding`) and
//! is exact. All others have a line a secret: a cell is a field, and an empty one is none.

use super::lines::{Lines, wrong};
use super::{Fields, MOST_SECRETS, Source, SourceError, Text, too_many};
use crate::crypto::SecretBytes;
use crate::wallet::Field;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;

/// The header of walletfs's own.
pub(crate) const OWN: [&str; 6] = ["domain", "access", "field", "key", "value", "encoding"];

/// Whose table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Anybody's.
    Generic,
    /// Google Chrome's, and its kin's.
    Chrome,
    /// Mozilla Firefox's.
    Firefox,
    /// 1Password's.
    OnePassword,
}

impl Dialect {
    /// The domain of a line that has none.
    pub fn nowhere(self) -> &'static str {
        match self {
            Dialect::Generic => "csv",
            Dialect::Chrome => "chrome",
            Dialect::Firefox => "firefox",
            Dialect::OnePassword => "1password",
        }
    }

    /// Whether a line is filed under the site of its address, and under the user there.
    fn by_site(self) -> bool {
        matches!(self, Dialect::Chrome | Dialect::Firefox)
    }
}

/// Columns by what they are, in lower case and without blanks.
const DOMAIN: &[&str] = &["domain", "folder", "group", "grouping", "vault", "category"];
const ACCESS: &[&str] = &["access", "title", "name", "account", "item"];
const UID: &[&str] = &[
    "uid",
    "username",
    "user",
    "login",
    "loginname",
    "login_username",
];
const PWD: &[&str] = &["pwd", "password", "login_password"];
const URL: &[&str] = &["url", "website", "login_uri", "site", "address"];
/// Firefox's own bookkeeping.
const FIREFOX: &[&str] = &[
    "formactionorigin",
    "guid",
    "timecreated",
    "timelastused",
    "timepasswordchanged",
];
const CHANGED: &str = "timepasswordchanged";

/// Reads a table.
pub fn read(table: &[u8], dialect: Dialect) -> Result<Source, SourceError> {
    let mut lines = Lines::of(table);
    let Some(line) = lines.next()? else {
        return Err(SourceError::malformed("it is empty"));
    };
    let header: Vec<String> = line.cells().map(str::to_owned).collect();
    match dialect == Dialect::Generic && header == OWN {
        true => own(lines),
        false => Columns::of(&header, dialect)?.read(lines),
    }
}

/// The columns of a table with a line a secret.
struct Columns {
    dialect: Dialect,
    domain: Option<usize>,
    access: Option<usize>,
    uid: Option<usize>,
    pwd: Option<usize>,
    url: Option<usize>,
    changed: Option<usize>,
    /// The others, with the info keys that they become.
    info: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &[String], dialect: Dialect) -> Result<Columns, SourceError> {
        let plain: Vec<String> = header
            .iter()
            .map(|name| name.to_lowercase().replace([' ', '-'], ""))
            .collect();
        let find = |words: &[&str]| {
            let mut at = words
                .iter()
                .map(|word| plain.iter().position(|p| p == word));
            at.find_map(|at| at)
        };
        let mut columns = Columns {
            dialect,
            domain: find(DOMAIN),
            access: find(ACCESS),
            uid: find(UID),
            pwd: find(PWD),
            url: find(URL),
            changed: None,
            info: Vec::new(),
        };
        if dialect == Dialect::Firefox {
            columns.changed = plain.iter().position(|name| name == CHANGED);
        }
        let right = match dialect {
            Dialect::Generic => {
                columns.access.is_some() && columns.pwd.is_some()
                    || columns.uid.is_some() && columns.pwd.is_some()
                    || columns.domain.is_some() && columns.access.is_some()
            }
            Dialect::Chrome | Dialect::Firefox => {
                columns.url.is_some() && columns.uid.is_some() && columns.pwd.is_some()
            }
            Dialect::OnePassword => columns.access.is_some() && columns.pwd.is_some(),
        };
        if !right {
            return Err(SourceError::malformed(
                "its first line is not the header of such a table: it should name the columns, \
                 such as domain,access,uid,pwd",
            ));
        }
        let taken = [
            columns.domain,
            columns.access,
            columns.uid,
            columns.pwd,
            columns.url,
        ];
        for (at, name) in header.iter().enumerate() {
            let bookkeeping = dialect == Dialect::Firefox && FIREFOX.contains(&plain[at].as_str());
            if !taken.contains(&Some(at)) && !bookkeeping {
                columns.info.push((at, name.clone()));
            }
        }
        Ok(columns)
    }

    fn read(&self, mut lines: Lines<'_>) -> Result<Source, SourceError> {
        let mut source = Source::default();
        while let Some(line) = lines.next()? {
            let cell = |at: Option<usize>| {
                let text = at.map(|at| line.cell(at)).unwrap_or_default();
                Some(Text::new(text)).filter(|text| !text.is_empty())
            };
            let changed = cell(self.changed).and_then(|text| text.parse::<i64>().ok());
            let mut fields = Fields::changed(changed.and_then(|ms| ms.checked_mul(1_000_000)));
            let (uid, url) = (cell(self.uid), cell(self.url));
            fields.uid(uid.as_ref());
            fields.pwd(cell(self.pwd).as_ref());
            fields.note("url", url.as_ref())?;
            for (at, key) in &self.info {
                fields.note(key, cell(Some(*at)).as_ref())?;
            }
            let site = url.as_deref().map(site);
            let (domain, access) = (cell(self.domain), cell(self.access));
            // A table that files its lines, but not this one: the person is asked.
            let nowhere = match self.domain {
                Some(_) => "",
                None => self.dialect.nowhere(),
            };
            let (domain, access) = match self.dialect.by_site() {
                true => (site, uid.as_deref().or(access.as_deref())),
                false => {
                    let access = access.as_deref().or(uid.as_deref());
                    let site = site.filter(|_| self.dialect == Dialect::Generic);
                    (domain.as_deref().or(site), access)
                }
            };
            if self.dialect.by_site() {
                // The name that Chrome shows is the site, unless the person chose one.
                let name = cell(self.access).filter(|name| Some(&**name) != site);
                let name = name.filter(|name| Some(&**name) != access);
                fields.note("name", name.as_ref())?;
            }
            let origin = format!("line {}", line.number);
            let (domain, access) = (domain.unwrap_or(nowhere), access.unwrap_or_default());
            source.push(fields.into_found(origin, domain, access))?;
        }
        Ok(source)
    }
}

/// What comes before the path of an address, without what is the same in most of them.
fn site(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A user in an address is none of the site's name.
    let host = host.rsplit('@').next().unwrap_or_default();
    match host {
        "" => url,
        host => host,
    }
}

/// A line a field.
fn own(mut lines: Lines<'_>) -> Result<Source, SourceError> {
    let mut secrets: BTreeMap<(Text, Text), (u64, Fields)> = BTreeMap::new();
    while let Some(line) = lines.next()? {
        let number = line.number;
        let [domain, access, field, key, value, encoding] = std::array::from_fn(|at| line.cell(at));
        let value = match encoding {
            "" => super::value(value),
            "base64" => {
                let bytes = STANDARD.decode(value);
                SecretBytes::new(bytes.map_err(|_| wrong(number, "the value is not Base64"))?)
            }
            _ => return Err(wrong(number, "the encoding is neither empty nor base64")),
        };
        let name = (Text::new(domain), Text::new(access));
        if secrets.len() >= MOST_SECRETS && !secrets.contains_key(&name) {
            return Err(too_many());
        }
        let (_, fields) = secrets
            .entry(name)
            .or_insert_with(|| (number, Fields::default()));
        let field = match (field, key) {
            ("uid", "") => Field::Uid,
            ("pwd", "") => Field::Pwd,
            ("info", key) => Field::Info(key.into()),
            // A secret without fields.
            ("", "") => continue,
            _ => return Err(wrong(number, "the field is none of uid, pwd and info")),
        };
        if !fields.put_new(field, value)? {
            return Err(wrong(number, "the secret has this field already"));
        }
    }
    let mut secrets: Vec<_> = secrets.into_iter().collect();
    secrets.sort_by_key(|(_, (number, _))| *number);
    let mut source = Source::default();
    for ((domain, access), (number, fields)) in secrets {
        source.push(fields.into_found(format!("line {number}"), &domain, &access))?;
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(table: &str, dialect: Dialect) -> Vec<String> {
        let source = read(table.as_bytes(), dialect).unwrap();
        let secrets = source.secrets.iter();
        secrets
            .map(|found| {
                let fields = found.fields.iter().map(|(field, found)| {
                    let key = match field {
                        Field::Uid => "uid",
                        Field::Pwd => "pwd",
                        Field::Info(key) => key,
                    };
                    let value = String::from_utf8_lossy(found.value.expose());
                    format!(" {key}={value}")
                });
                let fields: String = fields.collect();
                format!("{} / {}:{fields}", found.domain, found.access)
            })
            .collect()
    }

    #[test]
    fn a_generic_table_is_read_by_the_names_of_its_columns() {
        let table = "Folder,Title,User Name,Password,PIN\nbank,main,joe,p,12\nbank,other,,q,\n";
        assert_eq!(
            shown(table, Dialect::Generic),
            ["bank / main: uid=joe pwd=p PIN=12", "bank / other: pwd=q"]
        );
        let table = "username,password,url\njoe,p,https://u:x@a.b/c\n";
        assert_eq!(
            shown(table, Dialect::Generic),
            ["a.b / joe: uid=joe pwd=p url=https://u:x@a.b/c"]
        );
        let table = "title,password\nx,p\n";
        assert_eq!(shown(table, Dialect::Generic), ["csv / x: pwd=p"]);
    }

    #[test]
    fn browsers_file_by_site() {
        let table = "name,url,username,password,note\n\
            shop.example,https://shop.example/login,joe,p,n\n\
            My Shop,https://shop.example/,,q,\n\
            app,android://x@com.app/,ann,r,\n";
        assert_eq!(
            shown(table, Dialect::Chrome),
            [
                "shop.example / joe: uid=joe pwd=p note=n url=https://shop.example/login",
                "shop.example / My Shop: pwd=q url=https://shop.example/",
                "com.app / ann: uid=ann pwd=r name=app url=android://x@com.app/",
            ]
        );
        let table = "\"url\",\"username\",\"password\",\"httpRealm\",\"formActionOrigin\",\"guid\",\"timeCreated\",\"timeLastUsed\",\"timePasswordChanged\"\n\
            \"https://a.b\",\"joe\",\"p\",\"realm\",\"\",\"{g}\",\"1\",\"2\",\"1580545623600\"\n";
        assert_eq!(
            shown(table, Dialect::Firefox),
            ["a.b / joe: uid=joe pwd=p httpRealm=realm url=https://a.b"]
        );
        let source = read(table.as_bytes(), Dialect::Firefox).unwrap();
        let changed = source.secrets[0].fields[&Field::Pwd].mtime_ns;
        assert_eq!(changed, Some(1_580_545_623_600_000_000));
    }

    #[test]
    fn onepassword_keeps_what_it_exports() {
        let table = "Title,Url,Username,Password,OTPAuth,Favorite,Archived,Tags,Notes\n\
            Shop,https://a,joe,p,otpauth://x,false,false,t,n\n";
        assert_eq!(
            shown(table, Dialect::OnePassword),
            [
                "1password / Shop: uid=joe pwd=p Archived=false Favorite=false Notes=n \
                 OTPAuth=otpauth://x Tags=t url=https://a"
            ]
        );
    }

    #[test]
    fn our_own_is_exact() {
        let table = "domain,access,field,key,value,encoding\n\
            d,b,uid,,,\nd,b,info,uid,\"x\n\",\nd,b,info,k,/w==,base64\nd,a,,,,\n";
        let source = read(table.as_bytes(), Dialect::Generic).unwrap();
        let [b, a] = &source.secrets[..] else {
            panic!("two secrets")
        };
        assert_eq!((b.access.as_str(), a.access.as_str()), ("b", "a"));
        assert!(a.fields.is_empty());
        let value = |field: Field| {
            b.fields
                .get(&field)
                .map(|found| found.value.expose().to_vec())
        };
        assert_eq!(value(Field::Uid), Some(vec![]));
        assert_eq!(value(Field::Pwd), None);
        assert_eq!(value(Field::Info("uid".into())), Some(b"x\n".to_vec()));
        assert_eq!(value(Field::Info("k".into())), Some(vec![255]));
    }

    #[test]
    fn what_is_no_such_table_is_refused_without_a_word_of_it() {
        let own = "domain,access,field,key,value,encoding\n";
        for (table, dialect) in [
            (String::new(), Dialect::Generic),
            ("Secret,Secrets\n1,2\n".into(), Dialect::Generic),
            ("title,password\nSecret,1,2\n".into(), Dialect::Generic),
            ("title,password\nx,y\n".into(), Dialect::Chrome),
            ("url,username,pwds\nx,y,z\n".into(), Dialect::Firefox),
            (
                "url,username,password\nx,y,z\n".into(),
                Dialect::OnePassword,
            ),
            (format!("{own}d,a,Secret,,x,\n"), Dialect::Generic),
            (format!("{own}d,a,uid,Secret,x,\n"), Dialect::Generic),
            (format!("{own}d,a,pwd,,Secret,base64\n"), Dialect::Generic),
            (format!("{own}d,a,pwd,,x,Secret\n"), Dialect::Generic),
            (
                format!("{own}d,a,pwd,,x,\nd,a,pwd,,Secret,\n"),
                Dialect::Generic,
            ),
        ] {
            let told = read(table.as_bytes(), dialect).err().unwrap().to_string();
            assert!(!told.contains("Secret"), "{told}");
        }
    }
}
