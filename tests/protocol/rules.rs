//! The rules of the design that the model needs. Each can be taken away, and then a property fails
//! (`mutations.rs`).

/// A rule of the design (`man/walletfs-format.5.md`; in brackets, the code that keeps it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Every commit puts the head, expecting the generation it was made on (`put_head`).
    HeadIsConditional,
    /// Every other change of a commit expects the version that it replaces (`seal`).
    ItemsAreConditional,
    /// A load reads the head again after the last page (`load`).
    HeadIsReadAgain,
    /// A load is true only if the head's digest and count are those of what was listed
    /// (`Contents::mismatch`).
    DigestIsVerified,
    /// What was fetched by itself is taken only if the head's digest and count are those of all that
    /// is then known (`Snapshot::delta`).
    CatchUpIsVerified,
    /// Only three listings that contradict an unmoved head are a fault (`LISTINGS`).
    ThreeListings,
    /// An edit that makes, renames or removes a secret, once refused, loads first
    /// (`Edit::is_structural`).
    StructureLoadsFirst,
    /// A field whose `rev` moved since it was opened is not overwritten (`Expected::Rev`).
    RevDecides,
    /// A value that is there already is no conflict (`Expected::is_met_by_value`).
    ValueThereIsNoConflict,
    /// A refused commit of values takes the winner's digest, and changes its own term in it
    /// (`make_way`, `seal`).
    DigestOfTheWinner,
    /// A snapshot whose terms are of an old epoch is loaded again before anything is built on it
    /// (`terms_are_current`).
    TermsOfTheEpoch,
    /// A commit without an answer is sent again with the same bytes, never sealed anew (`attempt`).
    SameBytesAgain,
    /// It has the same token, by which the store knows a commit that it made (`token`).
    SameTokenAgain,
    /// Past the deadline the truth is read before a commit is said to have failed (`happened`).
    TruthIsRead,
    /// A repeated commit that is refused for its own bytes has happened (`lost_to_itself`).
    LostToItselfIsDone,
    /// A winner or a head under keys older than those at hand is read again (`make_way`,
    /// `read_head`).
    OldKeysAreReadAgain,
    /// A winner older than the newest head seen is read again before that is told as a rollback
    /// (`admit`).
    OldWinnerIsReadAgain,
    /// A head older than the newest seen is read again before that is told as a rollback
    /// (`read_head`).
    OldHeadIsReadAgain,
    /// An own commit may be older than the newest head seen by the time its answer comes
    /// (`Seen::raise`).
    OwnCommitMayBeOld,
    /// A head older than the newest seen is refused (`Seen::check_and_raise`).
    SeenIsChecked,
    /// The record of heads seen is raised after every commit (`settle`).
    SeenIsRaisedByCommits,
    /// The commit that appends an epoch makes the digest anew (`append_epoch`).
    DigestOfTheNewEpoch,
    /// Everything is sealed under the newest epoch (`Vault::seal_meta`).
    NewestEpochSeals,
    /// An epoch is dropped only after a load that found no item of it (`drop_older_epochs`).
    NothingOldBeforeTheDrop,
    /// An item is of an old epoch if either of its parts is (`is_older`).
    BothPartsCount,
    /// The commit that drops an epoch is on the very head of that load (`drop_older_epochs`).
    DropOnTheLoadedHead,
    /// A restore commits a head one above every generation known (`Restore::prepare`).
    RestoreAboveAll,
}

impl Rule {
    /// How many there are.
    pub(crate) const COUNT: usize = Rule::RestoreAboveAll as usize + 1;
}

/// The rules that hold: all, or all but one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) without: Option<Rule>,
}

impl Rules {
    pub(crate) fn hold(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
