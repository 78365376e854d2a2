//! The cases. Each gets a place that is new and empty, and knows no engine.

use crate::support::items::{all, create, delete, id, item, item_of, replace};
use crate::{Lack, Place};
use std::sync::Arc;
use walletfs::store::{
    Bytes, Change, Commit, Cursor, Expect, Id, Item, Page, Refusal, Store, StoreError,
};

/// Commits what must succeed.
async fn done(store: &dyn Store, changes: Vec<Change>) {
    assert_eq!(store.commit(changes).await, Ok(Commit::Done));
}

fn refused(refusals: &[(usize, Option<&Item>)]) -> Result<Commit, StoreError> {
    let refusal = |(change, winner): &(usize, Option<&Item>)| Refusal {
        change: *change,
        winner: winner.cloned(),
    };
    Ok(Commit::Refused(refusals.iter().map(refusal).collect()))
}

/// The largest item that the place takes.
fn largest(place: &Place) -> usize {
    let limit = place.store.limits().item_bytes;
    if place.lacks.contains(&Lack::LargeItems) {
        limit * 3 / 4 - 1000
    } else {
        limit
    }
}

pub(crate) async fn making_the_place_again_harms_nothing(place: Place) {
    let head = item(Id::Head, 1);
    done(&*place.store, vec![create(&head)]).await;
    let notices = place.store.create().await;
    assert_eq!(notices, Ok(Vec::new()), "nothing is to be switched on");
    assert_eq!(place.store.get(Id::Head).await, Ok(Some(head)));
}

pub(crate) async fn absence_is_a_value(place: Place) {
    assert_eq!(place.store.get(Id::Head).await, Ok(None));
    assert_eq!(place.store.get(id(1)).await, Ok(None));
    let empty = Page {
        items: Vec::new(),
        next: None,
    };
    assert_eq!(place.store.list(None).await, Ok(empty.clone()));
    assert_eq!(place.store.list(Some(Cursor(id(1)))).await, Ok(empty));
}

/// Bytes are exact, also none at all; a version may be as large as a signed 64-bit number.
pub(crate) async fn what_is_put_is_got(place: Place) {
    let every_byte: Bytes = (0..=255).collect();
    let items = [
        item(Id::Head, 1),
        Item {
            id: id(0),
            version: i64::MAX as u64,
            meta: every_byte.clone(),
            data: Bytes::new(),
        },
        Item {
            id: id(u32::MAX),
            version: 0,
            meta: Bytes::new(),
            data: every_byte,
        },
    ];
    done(&*place.store, items.iter().map(create).collect()).await;
    for item in items {
        assert_eq!(place.store.get(item.id).await, Ok(Some(item)));
    }
}

pub(crate) async fn a_put_is_conditional(place: Place) {
    let store = &*place.store;
    let (first, second, other) = (item(id(1), 1), item(id(1), 2), item(id(1), 9));

    // What is replaced must be there,
    let nothing = store.commit(vec![replace(&second, 1)]).await;
    assert_eq!(nothing, refused(&[(0, None)]));
    // what is created must not,
    done(store, vec![create(&first)]).await;
    assert_eq!(
        store.commit(vec![create(&other)]).await,
        refused(&[(0, Some(&first))])
    );
    // not even with the same bytes,
    assert_eq!(
        store.commit(vec![create(&first)]).await,
        refused(&[(0, Some(&first))])
    );
    // and what is replaced must have the version that is expected.
    done(store, vec![replace(&second, 1)]).await;
    assert_eq!(
        store.commit(vec![replace(&other, 1)]).await,
        refused(&[(0, Some(&second))])
    );
    assert_eq!(store.get(id(1)).await, Ok(Some(second)));
}

pub(crate) async fn a_delete_is_conditional(place: Place) {
    let store = &*place.store;
    let first = item(id(1), 1);
    assert_eq!(
        store.commit(vec![delete(id(1), 1)]).await,
        refused(&[(0, None)])
    );
    done(store, vec![create(&first)]).await;
    assert_eq!(
        store.commit(vec![delete(id(1), 2)]).await,
        refused(&[(0, Some(&first))])
    );
    assert_eq!(store.get(id(1)).await, Ok(Some(first)));
    done(store, vec![delete(id(1), 1)]).await;
    assert_eq!(store.get(id(1)).await, Ok(None));
}

pub(crate) async fn a_commit_happens_whole(place: Place) {
    let store = &*place.store;
    let old = [item(id(1), 1), item(id(2), 1), item(Id::Head, 1)];
    done(store, old.iter().map(create).collect()).await;

    let new = [item(id(1), 2), item(id(3), 2), item(Id::Head, 2)];
    let changes = vec![
        replace(&new[0], 1),
        delete(id(2), 1),
        create(&new[1]),
        replace(&new[2], 1),
    ];
    done(store, changes).await;
    assert_eq!(all(store).await, new);

    done(store, Vec::new()).await;
    assert_eq!(all(store).await, new);
}

pub(crate) async fn a_refused_commit_changes_nothing_and_names_each_fault(place: Place) {
    let store = &*place.store;
    let old = [
        item(id(1), 1),
        item(id(2), 1),
        item(id(3), 1),
        item(Id::Head, 1),
    ];
    done(store, old.iter().map(create).collect()).await;

    let changes = vec![
        replace(&item(id(1), 2), 1),
        replace(&item(id(2), 2), 7),
        delete(id(3), 1),
        delete(id(4), 1),
        create(&item(id(5), 2)),
        create(&item(Id::Head, 2)),
    ];
    assert_eq!(
        store.commit(changes).await,
        refused(&[(1, Some(&old[1])), (3, None), (5, Some(&old[3]))])
    );
    assert_eq!(all(store).await, old);
}

pub(crate) async fn a_listing_has_every_item_in_order_with_the_head_last(place: Place) {
    let store = &*place.store;
    let mut ids = vec![Id::Head];
    ids.extend([5, 0, u32::MAX, 0x9fff_ffff, 0xa000_0000, 1].map(id));
    for id in &ids {
        done(store, vec![create(&item(*id, 1))]).await;
    }
    ids.sort();
    let listed: Vec<Id> = all(store).await.iter().map(|item| item.id).collect();
    assert_eq!(listed, ids);
    assert_eq!(listed.last(), Some(&Id::Head));
}

/// A page holds 1 MiB at most, as the engine counts; the pages together hold everything.
pub(crate) async fn a_listing_of_3_mb_comes_in_pages(place: Place) {
    let store = &*place.store;
    let mut items: Vec<Item> = (0..30).map(|n| item_of(store, id(n), 1, 100_000)).collect();
    items.push(item(Id::Head, 1));
    done(store, items.iter().map(create).collect()).await;

    let (mut listed, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.list(after).await.expect("a page");
        let bytes: usize = page.items.iter().map(|item| store.item_size(item)).sum();
        assert!(bytes <= (1 << 20) + 100_000, "a page of {bytes} bytes");
        if let (Some(Cursor(next)), Some(last)) = (page.next, page.items.last()) {
            assert_eq!(next, last.id);
        }
        listed.extend(page.items);
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(listed == items, "{} items of {}", listed.len(), items.len());
    assert!((3..=4).contains(&pages), "{pages} pages");
}

pub(crate) async fn a_listing_goes_on_after_an_item_that_is_gone(place: Place) {
    let store = &*place.store;
    let items = [item(id(1), 1), item(id(2), 1), item(Id::Head, 1)];
    done(store, items.iter().map(create).collect()).await;
    done(store, vec![delete(id(1), 1)]).await;
    let page = store.list(Some(Cursor(id(1)))).await.expect("a page");
    assert_eq!(page.items, items[1..]);
    assert_eq!(page.next, None);
    let rest = store.list(Some(Cursor(Id::Head))).await.expect("a page");
    assert_eq!((rest.items, rest.next), (Vec::new(), None));
}

pub(crate) async fn a_commit_holds_100_changes_and_not_one_more(place: Place) {
    let store = &*place.store;
    assert_eq!(store.limits().changes, 100);
    let items: Vec<Item> = (0..101).map(|n| item(id(n), 1)).collect();
    let over = store.commit(items.iter().map(create).collect()).await;
    assert!(matches!(over, Err(StoreError::TooLarge(_))), "{over:?}");
    assert_eq!(all(store).await, []);
    done(store, items[..100].iter().map(create).collect()).await;
    assert_eq!(all(store).await, items[..100]);
}

pub(crate) async fn a_commit_limit_is_kept(place: Place) {
    let store = place.small.as_deref().expect("it has such a store");
    assert_eq!(store.limits().changes, 10);
    let items: Vec<Item> = (0..11).map(|n| item(id(n), 1)).collect();
    let over = store.commit(items.iter().map(create).collect()).await;
    assert!(matches!(over, Err(StoreError::TooLarge(_))), "{over:?}");
    done(store, items[..10].iter().map(create).collect()).await;
}

pub(crate) async fn an_item_may_be_as_large_as_the_limit_and_not_larger(place: Place) {
    let store = &*place.store;
    let limit = store.limits().item_bytes;
    assert_eq!(limit, 409_600);
    let over = item_of(store, id(1), 1, limit + 1);
    let over = store.commit(vec![create(&over)]).await;
    assert!(matches!(over, Err(StoreError::TooLarge(_))), "{over:?}");
    assert_eq!(store.get(id(1)).await, Ok(None));

    let full = item_of(store, id(1), 1, largest(&place));
    done(store, vec![create(&full)]).await;
    assert!(store.get(id(1)).await == Ok(Some(full.clone())));
    // The winner comes whole with the refusal.
    assert!(store.commit(vec![create(&item(id(1), 2))]).await == refused(&[(0, Some(&full))]));
}

pub(crate) async fn a_commit_may_be_as_large_as_the_limit_and_not_larger(place: Place) {
    let store = &*place.store;
    let limit = store.limits().commit_bytes;
    assert_eq!(limit, 4 << 20);
    let items = |bytes: usize| -> Vec<Item> {
        let most = largest(&place);
        let mut left = bytes;
        (0..)
            .map_while(|n| {
                let size = left.min(most);
                left -= size;
                (size > 0).then(|| item_of(store, id(n), 1, size))
            })
            .collect()
    };
    let over = store.commit(items(limit + 1).iter().map(create).collect());
    let over = over.await;
    assert!(matches!(over, Err(StoreError::TooLarge(_))), "{over:?}");
    assert_eq!(all(store).await, []);
    let full = items(limit);
    done(store, full.iter().map(create).collect()).await;
    assert!(all(store).await == full);
}

pub(crate) async fn a_commit_names_an_item_once(place: Place) {
    let twice = vec![create(&item(id(1), 1)), create(&item(id(1), 1))];
    let failed = place.store.commit(twice).await;
    assert!(matches!(failed, Err(StoreError::Failed(_))), "{failed:?}");
    assert_eq!(all(&*place.store).await, []);
}

/// Four writers raise one head: each commit that is done raises it by one, and nothing else does.
pub(crate) async fn writers_at_the_same_time_lose_nothing(place: Place) {
    const COMMITS: u64 = 5;
    let several = !place.lacks.contains(&Lack::SeveralWriters);
    let writers_wanted = if several { 4 } else { 1 };
    done(&*place.store, vec![create(&item(Id::Head, 1))]).await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..writers_wanted {
        let store = Arc::clone(&place.store);
        writers.spawn(async move {
            let mut head = store.get(Id::Head).await.unwrap().expect("the head");
            let mut done = 0;
            while done < COMMITS {
                let next = item(Id::Head, head.version + 1);
                match store.commit(vec![replace(&next, head.version)]).await {
                    Ok(Commit::Done) => {
                        done += 1;
                        head = next;
                    }
                    Ok(Commit::Refused(refusals)) => {
                        head = refusals[0].winner.clone().expect("the winner");
                    }
                    Err(StoreError::Busy(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.expect("a writer ends well");
    }
    let head = place.store.get(Id::Head).await.unwrap().expect("the head");
    assert_eq!(head.version, 1 + writers_wanted * COMMITS);
}

pub(crate) async fn wallets_do_not_see_each_other(place: Place) {
    let neighbour = place.neighbour.as_deref().expect("it has a neighbour");
    let store = &*place.store;
    let (ours, theirs) = (item(Id::Head, 1), item(Id::Head, 2));
    done(store, vec![create(&ours), create(&item(id(1), 1))]).await;
    assert_eq!(neighbour.get(Id::Head).await, Ok(None));
    assert_eq!(all(neighbour).await, []);
    assert_eq!(
        neighbour.commit(vec![delete(id(1), 1)]).await,
        refused(&[(0, None)])
    );
    let change = Change::Put {
        item: theirs.clone(),
        expect: Expect::Absent,
    };
    done(neighbour, vec![change]).await;
    assert_eq!(all(neighbour).await, [theirs]);
    assert_eq!(all(store).await, [item(id(1), 1), ours]);
}

pub(crate) async fn a_sibling_is_the_neighbour(place: Place) {
    let store = &*place.store;
    let neighbour = place.neighbour.as_deref().expect("it has a neighbour");
    let sibling = store.sibling(neighbour.wallet());
    assert_eq!(sibling.wallet(), neighbour.wallet());
    assert_eq!(sibling.limits(), store.limits());
    let theirs = item(id(1), 2);
    done(&*sibling, vec![create(&theirs)]).await;
    assert_eq!(all(neighbour).await, [theirs]);
    assert_eq!(all(store).await, []);
    // And back again.
    let ours = item(Id::Head, 1);
    let back = sibling.sibling(store.wallet());
    done(&*back, vec![create(&ours)]).await;
    assert_eq!(all(store).await, [ours]);
}
