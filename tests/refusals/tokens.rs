//! Tokens that do not hold.

use jiff::SignedDuration;
use local::tokens::{AUDIENCE, ID_PORTEN_ISSUER, Issuer, MASKINPORTEN_ISSUER, Signing};
use mailbox_register::caller::{Assurance, Scope};
use serde_json::{Value, json};
use stories::{CITIZEN_SCOPES, EBOKS, OLA, Request, World};

use crate::refusal::refused;

/// `base` with members added, replaced, or (by `null`) taken away.
fn with(mut base: Value, changes: &Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

fn scopes(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// One issuer's tokens at a route that takes them.
struct Bearers<'a> {
    world: &'a World,
    issuer: Issuer,
    request: Request<'a>,
    claims: Value,
}

impl<'a> Bearers<'a> {
    fn citizens(world: &'a World) -> Self {
        let now = world.stack.clock().now();
        Self {
            world,
            issuer: Issuer::IdPorten,
            request: world.nobody().get("/v1/me"),
            claims: json!({
                "iss": ID_PORTEN_ISSUER,
                "sub": "subject",
                "pid": OLA,
                "acr": "idporten-loa-high",
                "scope": scopes(&CITIZEN_SCOPES),
                "aud": AUDIENCE,
                "iat": now.as_second(),
                "exp": (now + SignedDuration::from_mins(2)).as_second(),
            }),
        }
    }

    fn providers(world: &'a World) -> Self {
        let now = world.stack.clock().now();
        let eligibility = world
            .nobody()
            .post("/v1/mailboxes/eligibility", &json!({ "person": OLA }));
        Self {
            world,
            issuer: Issuer::Maskinporten,
            request: eligibility,
            claims: json!({
                "iss": MASKINPORTEN_ISSUER,
                "consumer": { "authority": "iso6523-actorid-upis", "ID": format!("0192:{EBOKS}") },
                "scope": scopes(&[Scope::MailboxWrite]),
                "aud": AUDIENCE,
                "iat": now.as_second(),
                "exp": (now + SignedDuration::from_mins(2)).as_second(),
            }),
        }
    }

    fn header(&self) -> Value {
        json!({ "alg": "RS256", "kid": self.world.stack.tokens().key_id(self.issuer) })
    }

    fn mint(&self, header: &Value, claims: &Value, signing: Signing) -> String {
        self.world.stack.tokens().mint_raw(header, claims, signing).unwrap()
    }

    /// A token that its issuer did sign, with other claims.
    fn issued(&self, changes: &Value) -> String {
        let claims = with(self.claims.clone(), changes);
        self.mint(&self.header(), &claims, Signing::Key(self.issuer))
    }

    fn shows(&self, authorization: &str) -> Request<'a> {
        self.request.clone().header("authorization", authorization)
    }

    async fn accepts(&self, token: &str) {
        self.shows(&format!("Bearer {token}")).send().await.expect(200);
    }

    async fn refuses(&self, row: impl std::fmt::Display, token: &str) {
        let answer = self.shows(&format!("Bearer {token}")).send().await;
        let answer = refused(format!("{:?}, {row}", self.issuer), answer, 401, "invalid-token");
        assert_eq!(answer.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
    }
}

#[tokio::test]
async fn no_token_or_something_else_in_its_place() {
    let world = World::new().await;
    for bearers in [Bearers::citizens(&world), Bearers::providers(&world)] {
        let token = bearers.issued(&json!({}));
        bearers.accepts(&token).await;
        refused("none", bearers.request.send().await, 401, "invalid-token");
        for (row, authorization) in [
            ("empty", String::new()),
            ("no scheme", token.clone()),
            ("no token", "Bearer".to_owned()),
            ("Basic", format!("Basic {token}")),
            ("DPoP", format!("DPoP {token}")),
            ("another scheme before", format!("Basic x, Bearer {token}")),
            ("two in one header", format!("Bearer {token}, Bearer {token}")),
        ] {
            refused(row, bearers.shows(&authorization).send().await, 401, "invalid-token");
        }
        let one = bearers.shows(&format!("Bearer {token}"));
        for second in [format!("Bearer {token}"), "Basic x".to_owned(), String::new()] {
            let two = one.clone().and_header("authorization", &second).send().await;
            refused("two headers", two, 401, "invalid-token");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_form() {
    let world = World::new().await;
    for bearers in [Bearers::citizens(&world), Bearers::providers(&world)] {
        let token = bearers.issued(&json!({}));
        let [head, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("a token has three parts")
        };
        let others = bearers.issued(&json!({ "exp": 9_999_999_999_u64 }));
        let other_claims = others.split('.').nth(1).unwrap();
        for (row, text) in [
            ("garbage", "garbage".to_owned()),
            ("dots", "..".to_owned()),
            ("no signature", format!("{head}.{claims}.")),
            ("two parts", format!("{head}.{claims}")),
            ("four parts", format!("{token}.{signature}")),
            (
                "five parts, as if encrypted",
                format!("{token}.{signature}.{signature}"),
            ),
            (
                "other claims under the signature",
                format!("{head}.{other_claims}.{signature}"),
            ),
            ("cut", token[..token.len() - 4].to_owned()),
            ("padded", format!("{token}=")),
            ("white space", format!("{head}. {claims}.{signature}")),
        ] {
            bearers.refuses(row, &text).await;
        }
    }
}

#[tokio::test]
async fn a_token_with_another_signature_or_by_another_key() {
    let world = World::new().await;
    for bearers in [Bearers::citizens(&world), Bearers::providers(&world)] {
        let (header, issuer) = (bearers.header(), bearers.issuer);
        let other = match issuer {
            Issuer::IdPorten => Issuer::Maskinporten,
            Issuer::Maskinporten => Issuer::IdPorten,
        };
        let altered = |changes: Value| with(header.clone(), &changes);
        for (row, header, signing) in [
            ("altered signature", header.clone(), Signing::Altered(issuer)),
            ("not signed", header.clone(), Signing::Nothing),
            ("a stranger's key", header.clone(), Signing::UnknownKey),
            ("the other issuer's key", header.clone(), Signing::Key(other)),
            ("alg none", altered(json!({ "alg": "none" })), Signing::Nothing),
            ("alg None", altered(json!({ "alg": "None" })), Signing::Nothing),
            (
                "alg none, signed",
                altered(json!({ "alg": "none" })),
                Signing::Key(issuer),
            ),
            ("no alg", altered(json!({ "alg": null })), Signing::Key(issuer)),
            (
                "HS256 with the public key",
                altered(json!({ "alg": "HS256" })),
                Signing::PublicKeyAsSecret(issuer),
            ),
            (
                "RS256 named, HMAC made",
                header.clone(),
                Signing::PublicKeyAsSecret(issuer),
            ),
            (
                "an algorithm the key is not for",
                altered(json!({ "alg": "RS512" })),
                Signing::Key(issuer),
            ),
            ("no kid", altered(json!({ "kid": null })), Signing::Key(issuer)),
            (
                "unknown kid",
                altered(json!({ "kid": "unknown" })),
                Signing::Key(issuer),
            ),
            (
                "unknown kid, a stranger's key",
                altered(json!({ "kid": "unknown" })),
                Signing::UnknownKey,
            ),
            (
                "kid with a path",
                altered(json!({ "kid": "../../etc/passwd" })),
                Signing::UnknownKey,
            ),
            (
                "kid that is a URL",
                altered(json!({ "kid": "https://example.no/keys" })),
                Signing::UnknownKey,
            ),
            (
                "kid that is no text",
                altered(json!({ "kid": 1 })),
                Signing::Key(issuer),
            ),
            (
                "jku",
                altered(json!({ "jku": "https://example.no/keys" })),
                Signing::Key(issuer),
            ),
            (
                "x5u",
                altered(json!({ "x5u": "https://example.no/keys" })),
                Signing::Key(issuer),
            ),
            (
                "jwk",
                altered(json!({ "jwk": { "kty": "RSA", "n": "AQAB", "e": "AQAB" } })),
                Signing::Key(issuer),
            ),
            ("crit", altered(json!({ "crit": ["exp"] })), Signing::Key(issuer)),
        ] {
            bearers
                .refuses(row, &bearers.mint(&header, &bearers.claims, signing))
                .await;
        }
        bearers.accepts(&bearers.issued(&json!({}))).await;
    }
}

#[tokio::test]
async fn claims_that_do_not_hold() {
    let world = World::new().await;
    let (citizens, providers) = (Bearers::citizens(&world), Bearers::providers(&world));
    let now = world.stack.clock().now().as_second();
    let for_both = [
        json!({ "exp": now - 60 }),
        json!({ "exp": now - 3600 }),
        json!({ "exp": (now + 60).to_string() }),
        json!({ "exp": null }),
        json!({ "nbf": now + 61 }),
        json!({ "iat": now + 61 }),
        json!({ "iss": null }),
        json!({ "iss": "https://stranger.example.no" }),
        json!({ "aud": "https://other.example.no" }),
        json!({ "aud": ["https://other.example.no"] }),
        json!({ "aud": format!("{AUDIENCE}/") }),
    ];
    for (bearers, own) in [
        (
            &citizens,
            vec![
                json!({ "iss": format!("{ID_PORTEN_ISSUER}/") }),
                json!({ "iss": ID_PORTEN_ISSUER.replace("https", "http") }),
                json!({ "iss": MASKINPORTEN_ISSUER }),
                json!({ "aud": null }),
                json!({ "aud": "unspecified" }),
                json!({ "acr": null }),
                json!({ "acr": "idporten-loa-highest" }),
                json!({ "acr": null, "amr": ["idporten-loa-high"] }),
                json!({ "pid": null }),
                json!({ "pid": "41804061033" }),
                json!({ "pid": "02013299903" }),
                // An id_token: for the application that asked, about the login.
                json!({ "nonce": "n" }),
                json!({ "at_hash": "h" }),
                json!({ "scope": null }),
                json!({ "scope": null, "nonce": "n", "at_hash": "h", "aud": "an-application" }),
            ],
        ),
        (
            &providers,
            vec![
                json!({ "iss": MASKINPORTEN_ISSUER.trim_end_matches('/') }),
                json!({ "iss": MASKINPORTEN_ISSUER.replace("https", "http") }),
                json!({ "iss": ID_PORTEN_ISSUER }),
            ],
        ),
    ] {
        for changes in for_both.iter().chain(&own) {
            bearers.refuses(changes, &bearers.issued(changes)).await;
        }
        bearers.accepts(&bearers.issued(&json!({}))).await;
        // The leeway between clocks.
        bearers
            .accepts(&bearers.issued(&json!({ "exp": now - 59, "nbf": now + 60 })))
            .await;
    }
}

#[tokio::test]
async fn a_token_longer_than_eight_kilobytes() {
    let world = World::new().await;
    for bearers in [Bearers::citizens(&world), Bearers::providers(&world)] {
        bearers
            .accepts(&bearers.issued(&json!({ "padding": "x".repeat(5000) })))
            .await;
        bearers
            .refuses("long", &bearers.issued(&json!({ "padding": "x".repeat(7000) })))
            .await;
    }
}

#[tokio::test]
async fn a_token_that_runs_out_between_two_requests() {
    let world = World::new().await;
    let citizens = Bearers::citizens(&world);
    let token = citizens.issued(&json!({}));
    citizens.accepts(&token).await;
    world.pass(jiff::Span::new().minutes(3)).await;
    citizens.refuses("run out", &token).await;
}

#[tokio::test]
async fn a_token_of_the_wrong_issuer_for_the_route() {
    let world = World::new().await;
    let (citizens, providers) = (Bearers::citizens(&world), Bearers::providers(&world));
    let all = scopes(&Scope::ALL);
    // A machine's token is a machine's, even if it names a person who seems to have logged in.
    let as_citizen = json!({ "pid": OLA, "acr": "idporten-loa-high", "sub": "subject", "scope": all });
    let as_machine = json!({ "consumer": providers.claims["consumer"], "scope": all });
    citizens.refuses("with pid", &providers.issued(&as_citizen)).await;
    providers
        .refuses("with a consumer", &citizens.issued(&as_machine))
        .await;
    // Each is still good where it belongs.
    providers.accepts(&providers.issued(&as_citizen)).await;
    citizens.accepts(&citizens.issued(&as_machine)).await;
}

#[tokio::test]
async fn assurance_that_is_too_low() {
    let world = World::new().await;
    let low = world.citizen_with(OLA, Assurance::Low, &Scope::ALL);
    let answer = low.get("/v1/me").send().await;
    refused("low", answer, 403, "assurance-too-low");
}

#[tokio::test]
async fn an_organisation_that_is_not_named_as_it_should_be() {
    let world = World::new().await;
    let providers = Bearers::providers(&world);
    let consumer = |authority: &str, id: &str| json!({ "consumer": { "authority": authority, "ID": id } });
    let known = "iso6523-actorid-upis";
    for changes in [
        json!({ "consumer": null }),
        json!({ "consumer": null, "client_orgno": EBOKS }),
        json!({ "consumer": format!("0192:{EBOKS}") }),
        json!({ "consumer": {} }),
        consumer("another", &format!("0192:{EBOKS}")),
        consumer(known, EBOKS),
        consumer(known, &format!("0193:{EBOKS}")),
        consumer(known, &format!("0192:{EBOKS} ")),
        consumer(known, "0192:"),
        consumer(known, "0192:123456789"),
        consumer(known, "0192:999888777"),
        consumer(known, "0192:92202017"),
        // A supplier who is not named either.
        json!({ "supplier": { "authority": known, "ID": "0192:123456789" } }),
    ] {
        let token = providers.issued(&changes);
        let answer = providers.shows(&format!("Bearer {token}")).send().await;
        refused(&changes, answer, 403, "forbidden");
    }
}
