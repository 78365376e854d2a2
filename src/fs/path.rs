//! Where an inode is in the mount, for those who write down what was opened.

use super::Fs;
use super::inode::{Ino, Node};
use super::names::{self, Level};
use super::tree::field_name;

impl Fs {
    /// The path within the mount of a secret's file, as a listing shows it. `None` for anything
    /// else, and for a file that has lost its name.
    pub fn path(&self, ino: Ino) -> Option<String> {
        let place = match self.node(ino).ok()? {
            Node::File(place) => place,
            Node::Own(own) => return self.own_path(&own),
            Node::Root | Node::Domain(_) | Node::Secret(_) => return None,
        };
        let view = self.wallet.view();
        let secret = view.secret(place.secret)?;
        let domain = names::encode(Level::Domain, &secret.meta.domain);
        let access = names::encode(Level::Access, &secret.shown);
        Some(format!("{domain}/{access}/{}", field_name(&place.field)))
    }
}
