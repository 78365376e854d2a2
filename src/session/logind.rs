//! What the machine's login manager says over D-Bus (org.freedesktop.login1(5)): that the machine is
//! about to sleep, which is held off for the moment that a lock takes; that the screen is locked;
//! that the login session has ended. Without a bus, or without a login manager on it, all goes on,
//! and the status says so.
//!
//! Any process may send us a signal by name, so only what comes from the owner of the manager's
//! name is heard: a lock is harmless, but nobody else's to ask for.

use super::harden::Late;
use super::sys;
use futures_core::Stream;
use std::collections::HashMap;
use std::env;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
const USER: &str = "org.freedesktop.login1.User";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Bound for the manager to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Holds off a suspend until it is dropped.
pub(super) type Inhibitor = zbus::OwnedFd;

/// What the login manager says.
pub(super) enum Event {
    /// The machine is about to sleep.
    Suspend(Option<Inhibitor>),
    /// The screen is locked.
    Screen,
    /// The login session has ended.
    Logout,
}

/// Listens, for as long as the events are wanted. What cannot be heard is told to `late`.
pub(super) fn watch(late: Late) -> mpsc::Receiver<Event> {
    let (events, heard) = mpsc::channel(8);
    tokio::spawn(async move {
        match tokio::time::timeout(ANSWER, Listener::new(&late)).await {
            Ok(Ok(listener)) => listener.listen(events, &late).await,
            Ok(Err(error)) => {
                let why = crate::told::without_number(&error.to_string());
                late.add(unheard(&format!("no login manager on D-Bus: {why}")));
            }
            Err(_) => late.add(unheard("the login manager does not answer")),
        }
    });
    heard
}

fn unheard(why: &str) -> String {
    format!("suspend, screen lock and logout do not lock the wallet ({why})")
}

struct Listener {
    bus: Connection,
    signals: MessageStream,
    /// The unique name of the manager's connection, as last known.
    manager: String,
    /// The login session that this process is of.
    session: Option<OwnedObjectPath>,
    inhibitor: Option<Inhibitor>,
}

impl Listener {
    async fn new(late: &Late) -> zbus::Result<Listener> {
        let bus = Connection::system().await?;
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .build()?;
        let signals = MessageStream::for_match_rule(rule, &bus, None).await?;
        let arguments = ("sleep", "walletfs", "locks the wallet", "delay");
        // It may be started by being asked.
        let held = manage(&bus, "Inhibit", &arguments).await;
        let manager = owner(&bus).await?;
        let inhibitor = match held {
            Ok(answer) => answer.body().deserialize().ok(),
            Err(error) => {
                late.add(format!(
                    "the machine may sleep before the wallet is locked ({})",
                    crate::told::without_number(&error.to_string())
                ));
                None
            }
        };
        let session = own_session(&bus).await;
        if session.is_none() {
            late.add(
                "screen lock and logout do not lock the wallet (this process is of no login \
                 session)"
                    .into(),
            );
        }
        Ok(Listener {
            bus,
            signals,
            manager,
            session,
            inhibitor,
        })
    }

    async fn listen(mut self, events: mpsc::Sender<Event>, late: &Late) {
        loop {
            let signal = tokio::select! {
                signal = next(&mut self.signals) => signal,
                // The session is over.
                () = events.closed() => return,
            };
            let Some(Ok(signal)) = signal else {
                return late.add(unheard("the connection to D-Bus has ended"));
            };
            if !self.is_managers(&signal).await {
                continue;
            }
            if let Some(event) = self.meaning(&signal)
                && events.send(event).await.is_err()
            {
                return;
            }
        }
    }

    /// Whether the login manager sent this. It may have been started again since the last time.
    async fn is_managers(&mut self, signal: &Message) -> bool {
        let sender = sender(signal);
        if sender != self.manager
            && let Ok(owner) = owner(&self.bus).await
        {
            self.manager = owner;
        }
        sender == self.manager
    }

    fn meaning(&mut self, signal: &Message) -> Option<Event> {
        let header = signal.header();
        let (interface, member) = (header.interface()?.as_str(), header.member()?.as_str());
        let of_ours = self.session.as_ref().map(|session| session.as_str())
            == header.path().map(|path| path.as_str());
        let body = signal.body();
        match (interface, member) {
            (MANAGER, "PrepareForSleep") => body
                .deserialize::<bool>()
                .ok()?
                .then(|| Event::Suspend(self.inhibitor.take())),
            (MANAGER, "SessionRemoved") => {
                let (_, path): (String, OwnedObjectPath) = body.deserialize().ok()?;
                (Some(path) == self.session).then_some(Event::Logout)
            }
            (SESSION, "Lock") if of_ours => Some(Event::Screen),
            (PROPERTIES, "PropertiesChanged") if of_ours => {
                let (of, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) =
                    body.deserialize().ok()?;
                let locked = changed.get("LockedHint")?.downcast_ref::<bool>().ok()?;
                (of == SESSION && locked).then_some(Event::Screen)
            }
            _ => None,
        }
    }
}

/// The unique name of the manager's connection.
async fn owner(bus: &Connection) -> zbus::Result<String> {
    let daemon = "org.freedesktop.DBus";
    let path = "/org/freedesktop/DBus";
    bus.call_method(Some(daemon), path, Some(daemon), "GetNameOwner", &NAME)
        .await?
        .body()
        .deserialize()
}

/// The login session that this process is of: by its control group; by its environment (programs of
/// a desktop are often services of the user and not of the session); else the one that the user's
/// screen shows.
async fn own_session(bus: &Connection) -> Option<OwnedObjectPath> {
    if let Ok(answer) = manage(bus, "GetSessionByPID", &std::process::id()).await {
        return answer.body().deserialize().ok();
    }
    if let Ok(id) = env::var("XDG_SESSION_ID")
        && let Ok(answer) = manage(bus, "GetSession", &id).await
    {
        return answer.body().deserialize().ok();
    }
    let answer = manage(bus, "GetUser", &sys::euid()).await.ok()?;
    let user: OwnedObjectPath = answer.body().deserialize().ok()?;
    let answer = bus
        .call_method(
            Some(NAME),
            user,
            Some(PROPERTIES),
            "Get",
            &(USER, "Display"),
        )
        .await
        .ok()?;
    let display: OwnedVariant = answer.body().deserialize().ok()?;
    let (id, path) = <(String, OwnedObjectPath)>::try_from(display).ok()?;
    (!id.is_empty()).then_some(path)
}

/// Asks the manager.
async fn manage<B>(bus: &Connection, method: &str, arguments: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    bus.call_method(Some(NAME), PATH, Some(MANAGER), method, arguments)
        .await
}

fn sender(message: &Message) -> String {
    let header = message.header();
    header.sender().map(|s| s.to_string()).unwrap_or_default()
}

async fn next(signals: &mut MessageStream) -> Option<zbus::Result<Message>> {
    let mut signals = pin!(signals);
    std::future::poll_fn(|context| signals.as_mut().poll_next(context)).await
}
