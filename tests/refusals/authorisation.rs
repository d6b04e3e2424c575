//! Who may call what: every route and method, every kind of caller, with and without its scope.

use std::collections::{BTreeMap, BTreeSet};

use local::{
    template::Template,
    tokens::{AUDIENCE, Issuer, MASKINPORTEN_ISSUER, Signing},
};
use mailbox_register::caller::{Assurance, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, DIGIPOST, EBOKS, Request, World};
use uuid::Uuid;

use crate::{batches, refusal::refused};

/// Has mailboxes with both providers, e-Boks' active.
const SOFIE: &str = "13527248013";
/// e-Boks' organisation number of earlier years.
const EARLIER_EBOKS: &str = "996460320";
/// Another agency in the directory.
const OTHER_AGENCY: &str = "974760673";
/// An organisation that the directory does not have.
const STRANGER: &str = "313600947";

/// A caller's scopes, measured by those that the route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scopes {
    /// Every scope there is.
    All,
    /// Every scope there is but those.
    Others,
    /// Texts that hold those, or begin or end with them, or are part of them.
    Nearly,
    /// One of those and nothing else.
    Right,
}

use Scopes::{All, Nearly, Others, Right};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    BadToken,
    LowAssurance,
    Citizen(Scopes),
    Provider(Scopes),
    /// A provider by a number that is no longer its own.
    EarlierProvider,
    Agency(Scopes),
    /// Not in the directory.
    Stranger,
    /// An organisation's token without an organisation.
    Nameless,
}

/// The columns of [`ROUTES`].
const CALLERS: [Who; 15] = [
    Who::Nobody,
    Who::BadToken,
    Who::LowAssurance,
    Who::Citizen(Others),
    Who::Citizen(Nearly),
    Who::Citizen(Right),
    Who::Provider(Others),
    Who::Provider(Nearly),
    Who::Provider(Right),
    Who::EarlierProvider,
    Who::Agency(Others),
    Who::Agency(Nearly),
    Who::Agency(Right),
    Who::Stranger,
    Who::Nameless,
];

/// Method, path, the scopes of which one is needed, and the status for each of [`CALLERS`].
type Row = (&'static str, &'static str, &'static [Scope], [u16; 15]);

/// In this order each call that is let in succeeds, for one person.
#[rustfmt::skip]
const ROUTES: [Row; 35] = {
    use Scope::{Batches, ChangesRead, ContactRead, LettersWrite, MailboxRead, MailboxWrite, OwnContactRead, OwnContactWrite, OwnLanguageWrite, OwnMailboxWrite};
    use Scope::{FormerCertificateRead, FormerContactRead, FormerLanguageRead, FormerMailboxRead, FormerNoticeRead};
    const FORMER: &[Scope] = &[ContactRead, MailboxRead, FormerContactRead, FormerNoticeRead, FormerLanguageRead, FormerMailboxRead, FormerCertificateRead];
    const PRINT: &[Scope] = &[MailboxRead, FormerMailboxRead, FormerCertificateRead];
    [
        //                                                                      none bad  low  citizen        provider       was  agency         stra name
        ("GET",    "/v1/me",                     &[],                          [401, 401, 403, 200, 200, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("GET",    "/v1/me/history",             &[OwnContactRead],            [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("GET",    "/v1/me/disclosures",         &[OwnContactRead],            [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("PUT",    "/v1/me/contact",             &[OwnContactWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("POST",   "/v1/me/contact/confirm",     &[OwnContactWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("POST",   "/v1/me/contact/validate",    &[OwnContactWrite],           [401, 401, 403, 403, 403, 202, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("GET",    "/rest/v1/person",            &[],                          [401, 401, 403, 200, 200, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("PATCH",  "/rest/v1/person",            &[OwnLanguageWrite],          [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("PUT",    "/v1/me/mailbox",             &[OwnMailboxWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("DELETE", "/v1/me/mailbox",             &[OwnMailboxWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("POST",   "/v1/mailboxes",              &[MailboxWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 403, 403, 403]),
        ("POST",   "/v1/mailboxes/eligibility",  &[MailboxWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 403, 403, 403]),
        ("POST",   "/v1/letters",                &[LettersWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 202, 403, 403, 403, 202, 403, 403]),
        ("GET",    "/v1/letters",                &[LettersWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 403]),
        ("GET",    "/v1/letters/{id}",           &[LettersWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/letters/{id}/opened",    &[LettersWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/letters/{id}/cancel",    &[LettersWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 403]),
        ("GET",    "/v1/batches",                &[Batches],                   [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/batches",                &[Batches],                   [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 201, 403, 403]),
        ("GET",    "/v1/batches/{id}",           &[Batches],                   [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/batches/{id}/approve",   &[Batches],                   [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/batches/{id}/cancel",    &[Batches],                   [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/v1/mailboxes/close",        &[MailboxWrite],              [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 403, 403, 403]),
        ("POST",   "/v1/lookups",                &[ContactRead, MailboxRead],  [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("GET",    "/v1/changes",                &[ChangesRead],               [401, 401, 401, 401, 401, 401, 403, 403, 200, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/rest/v1/personer",          FORMER,                       [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/rest/v2/personer",          FORMER,                       [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("POST",   "/rest/v2/krr/hentEndringer", &[ChangesRead],               [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("GET",    "/rest/v2/printSertifikat",   PRINT,                        [401, 401, 401, 401, 401, 401, 403, 403, 403, 403, 403, 403, 200, 403, 403]),
        ("GET",    "/.well-known/jwks.json",     &[],                          [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
        ("GET",    "/v1/providers",              &[],                          [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
        ("GET",    "/v1/openapi.json",           &[],                          [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
        ("PUT",    "/v1/me/reservation",         &[OwnMailboxWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("DELETE", "/v1/me/reservation",         &[OwnMailboxWrite],           [401, 401, 403, 403, 403, 200, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
        ("DELETE", "/v1/me",                     &[OwnContactWrite],           [401, 401, 403, 403, 403, 204, 401, 401, 401, 401, 401, 401, 401, 401, 403]),
    ]
};

#[test]
fn the_openapi_document_asks_for_the_same_scopes() {
    let document: Value = serde_json::from_str(include_str!("../../infra/openapi.json")).unwrap();
    for (method, path, scopes, _) in ROUTES {
        let security = &document["paths"][path][method.to_lowercase()]["security"];
        let named: BTreeSet<_> = security
            .as_array()
            .unwrap_or_else(|| panic!("{method} {path} is not described"))
            .iter()
            .flat_map(|way| way.as_object().unwrap().values())
            .flat_map(|scopes| scopes.as_array().unwrap())
            .map(|scope| scope.as_str().unwrap())
            .collect();
        let asked: BTreeSet<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        assert_eq!(named, asked, "{method} {path}");
    }
}

fn body(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("PUT", "/v1/me/contact") => json!({ "language": "nn" }),
        ("POST", "/v1/me/contact/confirm") => json!({}),
        ("POST", "/v1/me/contact/validate") => json!({ "channel": "sms" }),
        ("PUT", "/v1/me/mailbox") => json!({ "provider": "digipost" }),
        ("POST", "/v1/mailboxes") => json!({ "person": SOFIE, "address": "sofie.hansen#9NEW" }),
        ("POST", "/v1/mailboxes/eligibility" | "/v1/mailboxes/close") => json!({ "person": SOFIE }),
        ("POST", "/v1/lookups") => json!({ "persons": [SOFIE], "purpose": "Decision on a building permit" }),
        ("PATCH", "/rest/v1/person") => json!({ "spraak": "se" }),
        ("POST", "/rest/v2/krr/hentEndringer") => json!({ "fraEndringsId": 0 }),
        ("POST", "/rest/v1/personer" | "/rest/v2/personer") => json!({ "personidentifikatorer": [SOFIE] }),
        ("POST", "/v1/letters") => letter("2026/17"),
        ("POST", "/v1/batches") => json!({ "name": "tax.csv", "purpose": "Decision on a building permit" }),
        _ => return None,
    })
}

/// A letter to Sofie that both her provider and the agency may announce.
fn letter(reference: &str) -> Value {
    json!({
        "person": SOFIE,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": reference,
        "legalNotice": true,
        "remind": true,
    })
}

/// What the `{id}` of a path stands for: each organisation has a letter of its own, and the agency a held file.
struct Letters {
    of_provider: String,
    of_agency: String,
    file: String,
}

impl Letters {
    async fn announced(world: &World) -> Self {
        let announced = async |organisation| {
            let caller = world.organisation(organisation, &[Scope::LettersWrite]);
            let answer = caller.post("/v1/letters", &letter("2026/16")).send().await.expect(202);
            answer.body["id"].as_str().unwrap().to_owned()
        };
        Self {
            of_provider: announced(EBOKS).await,
            of_agency: announced(AGENCY).await,
            file: batches::held(world).await,
        }
    }

    /// The path for a caller: what is let in finds its own letter, and all others would find one.
    fn path(&self, pattern: &str, who: Who) -> String {
        let letter = match who {
            _ if pattern.starts_with("/v1/batches") => &self.file,
            Who::Provider(_) | Who::EarlierProvider => &self.of_provider,
            _ => &self.of_agency,
        };
        pattern.replace("{id}", letter)
    }
}

/// The same for every caller: all that a request may need.
fn request<'a>(caller: &Caller<'a>, method: &str, path: &str) -> Request<'a> {
    let key = Uuid::new_v4().to_string();
    let request = caller.request(method.parse().unwrap(), path).key(&key).if_match("*");
    match body(method, path) {
        Some(body) => request.json(&body),
        None => request,
    }
}

/// Texts that are not the scope, though they look like it.
fn nearly(scope: Scope) -> Vec<String> {
    let right = scope.as_str();
    let (_, end) = right.rsplit_once('/').unwrap();
    vec![
        right[..right.len() - 1].to_owned(),
        right[1..].to_owned(),
        end.to_owned(),
        format!("{right}s"),
        format!("{right}:all"),
        format!("x{right}"),
        format!("{right},{right}"),
        format!("{right}\t{right}"),
        format!("\"{right}\""),
        right.to_uppercase(),
        right.replace(end, "*"),
        right.split('.').next().unwrap().to_owned() + ".*",
    ]
}

/// The scopes of each token to try.
fn tokens(scopes: Scopes, needed: &[Scope]) -> Vec<Vec<String>> {
    let texts = |scopes: Vec<Scope>| scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    match scopes {
        All => vec![texts(Scope::ALL.to_vec())],
        Others => {
            let others = Scope::ALL.into_iter().filter(|scope| !needed.contains(scope));
            vec![texts(others.collect())]
        }
        Nearly => vec![needed.iter().copied().flat_map(nearly).collect()],
        Right if needed.is_empty() => vec![vec![]],
        Right => needed.iter().map(|scope| texts(vec![*scope])).collect(),
    }
}

fn callers<'a>(world: &'a World, who: Who, needed: &[Scope]) -> Vec<Caller<'a>> {
    let (issuers, now) = (world.stack.tokens(), world.stack.clock().now());
    let citizens = |assurance, scopes| {
        let token = |scopes: Vec<String>| world.bearer(&issuers.citizen(SOFIE, assurance, &scopes, now).unwrap());
        tokens(scopes, needed).into_iter().map(token).collect()
    };
    let machines = |organisation, scopes| {
        let token = |scopes: Vec<String>| world.bearer(&issuers.organisation(organisation, &scopes, now).unwrap());
        tokens(scopes, needed).into_iter().map(token).collect()
    };
    let machine_token = |consumer: Option<Value>, signing| {
        let mut claims = json!({
            "iss": MASKINPORTEN_ISSUER,
            "scope": tokens(All, needed)[0].join(" "),
            "aud": AUDIENCE,
            "exp": now.as_second() + 60,
        });
        if let Some(consumer) = consumer {
            claims["consumer"] = consumer;
        }
        let header = json!({ "alg": "RS256", "kid": issuers.key_id(Issuer::Maskinporten) });
        vec![world.bearer(&issuers.mint_raw(&header, &claims, signing).unwrap())]
    };
    match who {
        Who::Nobody => vec![world.nobody()],
        Who::BadToken => {
            let consumer = json!({ "authority": "iso6523-actorid-upis", "ID": format!("0192:{EBOKS}") });
            machine_token(Some(consumer), Signing::Altered(Issuer::Maskinporten))
        }
        Who::LowAssurance => citizens(Assurance::Low, All),
        Who::Citizen(scopes) => citizens(Assurance::Substantial, scopes),
        Who::Provider(scopes) => machines(EBOKS, scopes),
        Who::EarlierProvider => machines(EARLIER_EBOKS, All),
        Who::Agency(scopes) => machines(AGENCY, scopes),
        Who::Stranger => machines(STRANGER, All),
        Who::Nameless => machine_token(None, Signing::Key(Issuer::Maskinporten)),
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let world = World::new().await;
    let sofie = world.citizen(SOFIE);
    let letters = Letters::announced(&world).await;
    for (method, path, needed, expected) in ROUTES {
        let (refusals, successes): (Vec<_>, Vec<_>) = CALLERS
            .into_iter()
            .zip(expected)
            .partition(|(_, status)| *status >= 400);
        let before = state(&world, &sofie).await;
        for (who, status) in refusals {
            let kind = match (status, who) {
                (401, _) => "invalid-token",
                (_, Who::LowAssurance) => "assurance-too-low",
                _ => "forbidden",
            };
            for caller in callers(&world, who, needed) {
                let answer = request(&caller, method, &letters.path(path, who)).send().await;
                refused(format!("{method} {path}, {who:?}"), answer, status, kind);
            }
        }
        assert_eq!(state(&world, &sofie).await, before, "{method} {path}");
        for (who, status) in successes {
            for caller in callers(&world, who, needed) {
                let answer = request(&caller, method, &letters.path(path, who)).send().await;
                assert_eq!(answer.status, status, "{method} {path}, {who:?}: {}", answer.body);
            }
        }
    }
    let disclosures = world.disclosures().await;
    let mut on_record: Vec<_> = disclosures
        .items()
        .iter()
        .map(|record| record["organisation"].as_s().unwrap())
        .collect();
    on_record.sort();
    // e-Boks asked whether it may be chosen; the agency looked up with one scope and with the other, and by each version of
    // the existing contract with each of seven; both followed changes, the agency by the existing contract too; and each
    // announced a letter before the table and one in it, which tells how a person can be reached.
    let expected = [vec![EBOKS; 1 + 1 + 2], vec![AGENCY; 2 + 2 * 7 + 2 + 2]].concat();
    assert_eq!(on_record, expected);
}

/// What a caller who is turned away must leave as it is: Sofie's entry, and everybody's letters and files.
async fn state(world: &World, sofie: &Caller<'_>) -> (Value, [Vec<Value>; 2]) {
    let rows = async |table, key| {
        let rows = world.stack.client().scan().table_name(table).send().await.unwrap();
        let rows = rows.items().iter();
        let mut rows: Vec<Value> = rows.map(|row| serde_dynamo::from_item(row.clone()).unwrap()).collect();
        rows.sort_by_key(|row: &Value| format!("{} {}", row[key], row["step"]));
        rows
    };
    let rows = [rows("letters", "id").await, rows("batches", "batch").await];
    (sofie.get("/v1/me").send().await.body, rows)
}

#[tokio::test]
async fn a_letter_is_there_for_the_organisation_that_announced_it_and_nobody_else() {
    let world = World::new().await;
    let letters = Letters::announced(&world).await;
    let (of_provider, of_agency) = (&letters.of_provider, &letters.of_agency);
    assert_ne!(of_provider, of_agency, "the same reference of another organisation");
    world.stack.settle().await.unwrap();
    let organisation = |number| world.organisation(number, &[Scope::LettersWrite]);
    let before = state(&world, &world.citizen(SOFIE)).await;
    for (number, letter) in [
        (AGENCY, of_provider),
        (OTHER_AGENCY, of_agency),
        (EBOKS, of_agency),
        // Sofie has a mailbox there too.
        (DIGIPOST, of_provider),
    ] {
        for (method, path) in [
            ("GET", format!("/v1/letters/{letter}")),
            ("POST", format!("/v1/letters/{letter}/opened")),
            ("POST", format!("/v1/letters/{letter}/cancel")),
        ] {
            let answer = request(&organisation(number), method, &path).send().await;
            refused(format!("{number}, {method}"), answer, 404, "not-found");
        }
    }
    assert_eq!(state(&world, &world.citizen(SOFIE)).await, before);
    // Each reads of its own letters alone.
    for (number, letters) in [
        (EBOKS, vec![of_provider]),
        (AGENCY, vec![of_agency]),
        (DIGIPOST, vec![]),
        (OTHER_AGENCY, vec![]),
    ] {
        let feed = organisation(number).get("/v1/letters").send().await.expect(200);
        let changes = feed.body["changes"].as_array().unwrap().clone();
        let named: BTreeSet<_> = changes
            .iter()
            .map(|change| change["letter"].as_str().unwrap())
            .collect();
        assert_eq!(named, letters.into_iter().map(String::as_str).collect(), "{number}");
    }
}

/// The methods of each path of the table.
fn methods() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut methods = BTreeMap::<_, BTreeSet<_>>::new();
    for (method, path, ..) in ROUTES {
        let of_path = methods.entry(path).or_default();
        of_path.insert(method);
        if method == "GET" {
            of_path.insert("HEAD");
        }
    }
    methods
}

#[test]
fn the_table_has_every_route() {
    let table: BTreeSet<_> = methods().into_keys().collect();
    let routes = Template::shipped()
        .unwrap()
        .functions
        .values()
        .flat_map(|function| &function.routes);
    let of_template: BTreeSet<_> = routes
        .map(|route| route.path.as_str())
        .filter(|path| *path != "$default")
        .collect();
    assert_eq!(of_template, table);
    assert_eq!(
        register::PATHS
            .into_iter()
            .chain(lookup::PATHS)
            .chain(letters::PATHS)
            .chain(::batches::PATHS)
            .collect::<BTreeSet<_>>(),
        table
    );
}

#[tokio::test]
async fn a_method_that_the_table_does_not_have_is_none_of_the_paths() {
    let world = World::new().await;
    for (path, methods) in methods() {
        for caller in [
            world.nobody(),
            world.citizen(SOFIE),
            world.provider(EBOKS),
            world.agency(),
        ] {
            for method in [
                "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY",
            ] {
                if methods.contains(method) {
                    continue;
                }
                let row = format!("{method} {path}");
                let path = path.replace("{id}", &Uuid::nil().to_string());
                let answer = request(&caller, method, &path).send().await;
                let allowed = answer.headers["allow"].to_str().unwrap();
                assert_eq!(allowed.split(',').collect::<BTreeSet<_>>(), methods, "{row}");
                if method == "HEAD" {
                    // Which has no body.
                    assert_eq!(answer.status, 405, "{row}");
                } else {
                    refused(&row, answer, 405, "method-not-allowed");
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_may_not_read_may_not_ask_for_the_headers_either() {
    let world = World::new().await;
    for path in ["/v1/me", "/v1/me/history", "/rest/v1/person"] {
        for (caller, status) in [
            (world.nobody(), 401),
            (world.agency(), 401),
            (world.citizen(SOFIE), 200),
        ] {
            let answer = caller.request(Method::HEAD, path).send().await;
            assert_eq!(answer.status, status, "{path}");
        }
    }
    let Letters { of_agency, file, .. } = Letters::announced(&world).await;
    for (path, scope) in [
        ("/v1/letters".to_owned(), Scope::LettersWrite),
        (format!("/v1/letters/{of_agency}"), Scope::LettersWrite),
        ("/v1/batches".to_owned(), Scope::Batches),
        (format!("/v1/batches/{file}"), Scope::Batches),
    ] {
        for (caller, status) in [
            (world.nobody(), 401),
            (world.citizen(SOFIE), 401),
            (world.agency(), 403),
            (world.organisation(AGENCY, &[scope]), 200),
        ] {
            let answer = caller.request(Method::HEAD, &path).send().await;
            assert_eq!(answer.status, status, "{path}");
        }
    }
}
