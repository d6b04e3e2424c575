//! Persons as they are when a run begins, stored by the register's own rules and writes. Nobody is told anything.

use jiff::Timestamp;
use mailbox_register::{
    contact::{Channel, EmailAddress, MobileNumber, mobile::AllowedCountries},
    entry::{self, Actor, Command, ContactUpdate, Entry, Registering, Transition, Update},
    person::{PersonIdentifier, PersonKey, Population},
};
use stories::DIGIPOST;

use crate::{
    calendar,
    house::House,
    person::{Details, Person, Point},
    steps::Beginning,
};

/// Brings a new person into the register, if the person is to be there.
pub(crate) async fn begin(house: &mut House, beginning: &Beginning, start: Timestamp) -> Person {
    let text = house.new_person();
    let Beginning {
        mobile,
        email,
        prefers,
        language,
        is_reserved,
    } = beginning.clone();
    let mut point = |channel, fresh_for: Option<_>| {
        fresh_for.map(|fresh_for| Point {
            address: house.new_address(channel),
            since: calendar::months_after(start + fresh_for, -18),
        })
    };
    let details = Details {
        mobile: point(Channel::Sms, mobile),
        email: point(Channel::Email, email),
        ..Details::default()
    };
    let mut points: Vec<_> = Channel::ALL
        .into_iter()
        .filter_map(|channel| Some((details.point(channel)?.clone(), channel)))
        .collect();
    if points.is_empty() {
        return Person::new(text, details, start);
    }
    points.sort_by_key(|(point, _)| point.since);
    let mut commands: Vec<_> = points
        .iter()
        .map(|(point, channel)| (point.since, Actor::Citizen, set(&point.address, *channel)))
        .collect();
    let (latest, ..) = points[points.len() - 1].clone();
    let last = latest.since;
    let wishes = ContactUpdate {
        email: Update::Keep,
        mobile: Update::Keep,
        language,
        preferred_channel: prefers,
    };
    if language.is_some() || prefers.is_some() {
        commands.push((last, Actor::Citizen, Command::SetContact(wishes)));
    }
    let provider = Actor::Organisation {
        organisation: DIGIPOST.parse().unwrap(),
    };
    let mailbox = Registering {
        provider: "digipost".parse().unwrap(),
        address: "some.person#4ABC".to_owned().try_into().unwrap(),
        certificate: Update::Keep,
    };
    commands.push((last, provider, Command::RegisterMailbox(mailbox)));
    if is_reserved {
        commands.push((last, Actor::Citizen, Command::Reserve));
    }
    let identifier = PersonIdentifier::parse(&text, Population::Synthetic).unwrap();
    let key = house.world.stack.secret().person_key(&identifier);
    let mut entry = None;
    for (at, actor, command) in commands {
        entry = Some(store(house, &identifier, &key, entry.as_ref(), (at, actor, command)).await);
    }
    let details = Details {
        is_registered: true,
        prefers,
        language,
        is_reserved,
        has_mailbox: true,
        ..details
    };
    Person::new(text, details, start)
}

fn set(address: &str, channel: Channel) -> Command {
    let countries: AllowedCountries = "NO,SE".parse().unwrap();
    let (mut email, mut mobile) = (Update::Keep, Update::Keep);
    match channel {
        Channel::Sms => mobile = Update::Set(MobileNumber::parse(address, &countries).unwrap()),
        Channel::Email => email = Update::Set(EmailAddress::parse(address).unwrap()),
    }
    Command::SetContact(ContactUpdate {
        email,
        mobile,
        language: None,
        preferred_channel: None,
    })
}

async fn store(
    house: &House,
    identifier: &PersonIdentifier,
    key: &PersonKey,
    before: Option<&Entry>,
    (at, actor, command): (Timestamp, Actor, Command),
) -> Entry {
    let Ok(Transition::Changed(outcome)) = entry::apply(before, identifier, command, actor, at) else {
        panic!("the beginning holds by the rules");
    };
    let was = before.and_then(Entry::registration);
    let sharing = house
        .addresses
        .sharing(key, was, outcome.entry.registration())
        .await
        .unwrap();
    let mut writes: Vec<_> = sharing.writes().collect();
    writes.extend(house.register.writes(key, &outcome, &sharing).unwrap());
    house.register.commit(writes).await.unwrap();
    outcome.entry
}
