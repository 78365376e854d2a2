//! The replica: a copy that is whole, or is the one from before.

use super::{Place, SECRETS};
use crate::support::items::{create, id, item};
use std::fs;
use std::time::{Duration, SystemTime};
use walletfs::store::{Change, Expect, Id, Item, Replica};

/// What the replica shows, head included.
async fn shown(replica: &Replica) -> Vec<Item> {
    replica.store().list(None).await.unwrap().items
}

async fn refresh(replica: &Replica, items: &[Item], head: &Item) {
    let refresh = replica.refresh().await.unwrap();
    let (first, second) = items.split_at(items.len() / 2);
    let refresh = refresh.take(first.to_vec()).await.unwrap();
    let refresh = refresh.take(second.to_vec()).await.unwrap();
    refresh.finish(head.clone()).await.unwrap();
}

fn items(version: u64) -> Vec<Item> {
    (0..SECRETS).map(|n| item(id(n), version)).collect()
}

#[tokio::test]
async fn a_refresh_brings_what_is_there_and_takes_what_is_not() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    assert_eq!(replica.refreshed(), None);
    let (mut now, head) = (items(1), item(Id::Head, 1));
    refresh(&replica, &now, &head).await;
    now.push(head);
    assert_eq!(shown(&replica).await, now);

    // One changed, one removed, one added.
    let mut now = items(1);
    now[3] = item(id(3), 2);
    now.remove(5);
    now.push(item(id(SECRETS), 2));
    let head = item(Id::Head, 2);
    refresh(&replica, &now, &head).await;
    now.push(head);
    assert_eq!(shown(&replica).await, now);
    assert_eq!(replica.get(id(3)).await, Some(item(id(3), 2)));
    assert_eq!(replica.get(id(5)).await, None);
    assert_eq!(place.files(), ["wallet.sqlite"]);
}

#[tokio::test]
async fn until_its_end_a_refresh_shows_nothing() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    let before = shown(&replica).await;
    let begun = replica.refresh().await.unwrap();
    let begun = begun.take(items(2)).await.unwrap();
    assert_eq!(shown(&replica).await, before);
    drop(begun);
    assert_eq!(shown(&replica).await, before);
}

#[tokio::test]
async fn of_two_refreshes_the_first_to_end_counts() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    let slow = replica.refresh().await.unwrap();
    let slow = slow.take(items(1)).await.unwrap();
    let head = item(Id::Head, 3);
    refresh(&replica, &items(3), &head).await;
    slow.finish(item(Id::Head, 2)).await.unwrap();
    let mut now = items(3);
    now.push(head);
    assert_eq!(shown(&replica).await, now);
}

#[tokio::test]
async fn a_commit_is_followed_from_where_it_began_only() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    let commit = |from, to| {
        let put = |item, expect| Change::Put { item, expect };
        vec![
            create(&item(id(100 + u32::try_from(to).unwrap()), to)),
            put(item(Id::Head, to), Expect::Version(from)),
        ]
    };
    assert_eq!(replica.follow(commit(1, 2)).await, Ok(true));
    // It has missed one.
    assert_eq!(replica.follow(commit(3, 4)).await, Ok(false));
    let ids: Vec<Id> = shown(&replica).await.iter().map(|item| item.id).collect();
    assert!(ids.contains(&id(102)) && !ids.contains(&id(104)));
    assert_eq!(replica.get(Id::Head).await, Some(item(Id::Head, 2)));
}

#[tokio::test]
async fn a_refresh_says_when() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    let old = SystemTime::now() - Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(&place.path).unwrap();
    file.set_modified(old).unwrap();
    assert_eq!(replica.refreshed(), Some(old));
    // Nothing has changed, and that is known now.
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    assert!(replica.refreshed().unwrap() > old + Duration::from_secs(3000));
}

#[tokio::test]
async fn what_cannot_be_read_is_made_anew() {
    let place = Place::empty();
    let replica = Replica::at(&place.path, "wallet");
    fs::write(&place.path, "no database, whatever it is called").unwrap();
    assert_eq!(replica.get(Id::Head).await, None);
    refresh(&replica, &items(1), &item(Id::Head, 1)).await;
    assert_eq!(shown(&replica).await.len(), SECRETS as usize + 1);
}
