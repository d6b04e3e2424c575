//! Who is not let in: one row for every way in which a token can be wrong.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mailbox_register::caller::Verdict;
use serde_json::{Value, json};

use crate::{
    key_server::{KeyServer, keys},
    signer::{ID_PORTEN, MASKINPORTEN, OTHER, encode, message},
    world::{AUDIENCE, FORBIDDEN, ID_PORTEN_ISSUER, INVALID, MASKINPORTEN_ISSUER, World, with},
};

/// A right token that meaningless claims and a type make as long as wanted.
pub(crate) fn token_of_length(world: &World, length: usize) -> String {
    // Base64 of one part does not come in every length, so two parts are filled.
    let signature = 1 + 342;
    for kind in ["", "J", "JW"] {
        let header = with(&ID_PORTEN.header(), &json!({"typ": kind}));
        let mut filling = "x".repeat(length / 2);
        while message(
            &header,
            &with(&world.citizen(), &json!({"filling": filling})).to_string(),
        )
        .len()
            + signature
            < length
        {
            filling.push('x');
        }
        let token = ID_PORTEN.token(&header, &with(&world.citizen(), &json!({"filling": filling})));
        if token.len() == length {
            return token;
        }
    }
    panic!("no token of {length} bytes");
}

#[tokio::test]
async fn headers_without_one_bearer_token() {
    let world = World::new().await;
    assert_eq!(world.authorizer.verdict(None).await, INVALID);
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    let other = OTHER.token(&OTHER.header(), &world.citizen());
    let headers = [
        String::new(),
        " ".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer null".to_owned(),
        token.clone(),
        format!(" {token}"),
        format!("Basic {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer:{token}"),
        format!("Bearer{token}"),
        format!("DPoP {token}"),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token},Bearer {token}"),
        format!("Bearer {token}, Bearer {other}"),
        format!("Bearer {other},Bearer {token}"),
        format!("Bearer {token},"),
        format!(",Bearer {token}"),
        format!("Bearer {token} "),
        format!("Bearer {token}\0"),
    ];
    for (row, header) in headers.iter().enumerate() {
        assert_eq!(world.authorizer.verdict(Some(header)).await, INVALID, "row {row}");
    }
    assert_ne!(world.verdict(&token).await, INVALID);
}

#[tokio::test]
async fn tokens_of_another_form() {
    let world = World::new().await;
    let claims = world.citizen();
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &claims);
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let deep = format!("{{\"iss\":{}", "[".repeat(5000));
    let doubled = claims.to_string().replacen('{', "{\"exp\":99999999999,", 1);
    let forms = [
        "garbage".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{}", &signature[..signature.len() - 4]),
        format!("{header}.{payload}.{signature}AAAA"),
        format!("{payload}.{header}.{signature}"),
        format!("{header}.{}.{signature}", encode(b"not json")),
        format!("{header}.{}.{signature}", encode(b"[]")),
        format!("{header}.{}.{signature}", encode(&[0xff, 0xfe])),
        ID_PORTEN.token_of_text(&ID_PORTEN.header(), &deep),
        ID_PORTEN.token_of_text(&ID_PORTEN.header(), &doubled),
        ID_PORTEN.token_of_text(&ID_PORTEN.header(), "{}"),
        ID_PORTEN.token(&json!(["RS256"]), &claims),
        ID_PORTEN.token(&json!({}), &claims),
    ];
    for (row, form) in forms.iter().enumerate() {
        assert_eq!(world.verdict(form).await, INVALID, "row {row}");
    }
    assert_ne!(world.verdict(&token).await, INVALID);
}

#[tokio::test]
async fn tokens_over_eight_kilobytes() {
    let world = World::new().await;
    let token = token_of_length(&world, 8 * 1024 + 1);
    assert_eq!(world.verdict(&token).await, INVALID);
    assert_eq!(world.id_porten.fetches(), 0, "refused before the issuer was asked");
}

#[tokio::test]
async fn algorithms_that_are_not_pinned() {
    let world = World::new().await;
    let claims = world.citizen().to_string();
    let good = ID_PORTEN.token_of_text(&ID_PORTEN.header(), &claims);
    let signature = good.rsplit('.').next().unwrap();
    for name in [
        "none", "None", "NONE", "nOnE", "", "RS1", "rs256", "ES256", "EdDSA", "HS256", "PS256",
    ] {
        let header = with(&ID_PORTEN.header(), &json!({"alg": name}));
        let message = message(&header, &claims);
        for token in [
            format!("{message}."),
            message.clone(),
            format!("{message}.{signature}"),
            ID_PORTEN.token_of_text(&header, &claims),
        ] {
            assert_eq!(world.verdict(&token).await, INVALID, "{name}");
        }
    }
    // A right signature by another padding, also where the key itself is tied to none.
    let any_algorithm = with(&OTHER.published(), &json!({"alg": null}));
    world.maskinporten.answers(keys(&[any_algorithm]));
    let header = with(&OTHER.header(), &json!({"alg": "PS256"}));
    let organisation = world.organisation();
    assert_eq!(world.verdict(&OTHER.token(&header, &organisation)).await, INVALID);
    assert_ne!(world.signed(&OTHER, &organisation).await, INVALID);
    // The key is published for RS256.
    let header = with(&ID_PORTEN.header(), &json!({"alg": "RS512"}));
    assert_eq!(world.verdict(&ID_PORTEN.token_of_text(&header, &claims)).await, INVALID);
    assert_ne!(world.verdict(&good).await, INVALID);
}

#[tokio::test]
async fn an_hmac_with_the_public_key_as_its_secret() {
    let world = World::new().await;
    for (name, algorithm) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ] {
        let header = with(&ID_PORTEN.header(), &json!({"alg": name}));
        let message = message(&header, &world.citizen().to_string());
        for secret in ID_PORTEN.as_secrets() {
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), message.as_bytes());
            let token = format!("{message}.{}", encode(tag.as_ref()));
            assert_eq!(world.verdict(&token).await, INVALID, "{name}");
        }
    }
}

#[tokio::test]
async fn key_ids_that_no_key_has() {
    let world = World::new().await;
    let path = world.id_porten.url.clone();
    for kid in [
        json!("unknown"),
        json!(""),
        json!("ID-PORTEN-1"),
        json!("id-porten-1 "),
        json!("../../etc/passwd"),
        json!("x/../id-porten-1"),
        json!("%2e%2e/id-porten-1"),
        json!(path),
        json!("id-porten-1' OR '1'='1"),
        json!("\u{0}"),
        json!(1),
        json!(["id-porten-1"]),
        Value::Null,
    ] {
        let header = with(&ID_PORTEN.header(), &json!({"kid": kid}));
        let token = ID_PORTEN.token(&header, &world.citizen());
        assert_eq!(world.verdict(&token).await, INVALID, "{kid}");
    }
    assert_eq!(world.id_porten.fetches(), 1);
}

#[tokio::test]
async fn keys_that_a_token_brings_along() {
    let world = World::new().await;
    let theirs = KeyServer::start(keys(&[OTHER.published()])).await;
    let certificate = base64::engine::general_purpose::STANDARD.encode([0x30, 0]);
    for bring in [
        json!({"jku": theirs.url}),
        json!({"x5u": theirs.url}),
        json!({"jwk": OTHER.published()}),
        json!({"jwk": with(&OTHER.published(), &json!({"kid": ID_PORTEN.kid}))}),
        json!({"x5c": [certificate]}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": []}),
    ] {
        // Signed by the stranger, under its own name and under the issuer's; and signed by the issuer itself.
        for (signer, kid) in [
            (&OTHER, OTHER.kid),
            (&OTHER, ID_PORTEN.kid),
            (&ID_PORTEN, ID_PORTEN.kid),
        ] {
            let header = with(&with(&signer.header(), &json!({"kid": kid})), &bring);
            let token = signer.token(&header, &world.citizen());
            assert_eq!(world.verdict(&token).await, INVALID, "{kid} {bring}");
        }
    }
    assert_eq!(theirs.fetches(), 0);
}

#[tokio::test]
async fn signatures_with_any_bit_altered() {
    let world = World::new().await;
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    assert_ne!(world.verdict(&token).await, INVALID);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for bit in 0..signature.len() * 8 {
        let mut altered = signature.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{message}.{}", encode(&altered));
        assert_eq!(world.verdict(&token).await, INVALID, "bit {bit}");
    }
}

#[tokio::test]
async fn claims_that_were_altered_after_signing() {
    let world = World::new().await;
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    let signature = token.rsplit('.').next().unwrap();
    for change in [
        json!({"pid": "22885399316"}),
        json!({"exp": world.now() + 9000}),
        json!({"aud": null}),
    ] {
        let message = message(&ID_PORTEN.header(), &with(&world.citizen(), &change).to_string());
        assert_eq!(
            world.verdict(&format!("{message}.{signature}")).await,
            INVALID,
            "{change}"
        );
    }
}

/// Refusals that both issuers' tokens get.
fn wrong_for_both(now: i64) -> Vec<Value> {
    vec![
        json!({"exp": now - 60}),
        json!({"exp": now - 3600}),
        json!({"exp": 0}),
        json!({"exp": -1}),
        json!({"exp": (now + 600).to_string()}),
        json!({"exp": "2099-01-01T00:00:00Z"}),
        json!({"exp": true}),
        json!({"exp": [now + 600]}),
        json!({"exp": null}),
        json!({"nbf": now + 61}),
        json!({"nbf": now + 3600}),
        json!({"nbf": now.to_string()}),
        json!({"iat": now + 61}),
        json!({"iat": now.to_string()}),
        json!({"scope": ["krr:global/digitalpost.read"]}),
        json!({"aud": "https://other.example.no"}),
        json!({"aud": ["https://other.example.no"]}),
        json!({"aud": format!("{AUDIENCE}/")}),
        json!({"aud": AUDIENCE.to_uppercase()}),
        json!({"aud": AUDIENCE[..AUDIENCE.len() - 1]}),
        json!({"aud": ""}),
        json!({"aud": []}),
        json!({"aud": ["unspecified"]}),
        json!({"aud": {"name": AUDIENCE}}),
        json!({"aud": 1}),
        json!({"iss": null}),
        json!({"iss": ""}),
        json!({"iss": 1}),
        json!({"iss": [ID_PORTEN_ISSUER, MASKINPORTEN_ISSUER]}),
        json!({"iss": "https://example.no"}),
    ]
}

#[tokio::test]
async fn citizens_with_a_wrong_claim() {
    let world = World::new().await;
    let citizen = world.citizen();
    let mut changes = wrong_for_both(world.now());
    changes.extend([
        json!({"iss": "http://idporten.example.no"}),
        json!({"iss": "https://idporten.example.no/"}),
        json!({"iss": "https://IDPORTEN.example.no"}),
        json!({"iss": " https://idporten.example.no"}),
        json!({"iss": "https://idporten.example.no.example.com"}),
        // Another issuer's name on this one's key: the names choose keys, and those do not fit.
        json!({"iss": MASKINPORTEN_ISSUER, "consumer": world.organisation()["consumer"]}),
        json!({"aud": null}),
        json!({"aud": "unspecified"}),
        // An id_token.
        json!({"nonce": "n"}),
        json!({"nonce": 1}),
        json!({"at_hash": "h"}),
        json!({"c_hash": "h"}),
        json!({"scope": null}),
        json!({"nonce": "n", "at_hash": "h", "scope": null, "aud": "a-client"}),
        json!({"acr": null}),
        json!({"acr": ""}),
        json!({"acr": "Level4"}),
        json!({"acr": "idporten-loa-highest"}),
        json!({"acr": "IDPORTEN-LOA-HIGH"}),
        json!({"acr": ["idporten-loa-high"]}),
        json!({"acr": null, "amr": ["idporten-loa-high"]}),
        json!({"pid": null}),
        json!({"pid": ""}),
        json!({"pid": 20_914_695_016_u64}),
        json!({"pid": " 20914695016"}),
        json!({"pid": "20914695017"}),
        json!({"pid": "41934063587"}),
        json!({"pid": "02013299903"}),
        json!({"pid": ["20914695016"]}),
    ]);
    for change in changes {
        let claims = with(&citizen, &change);
        assert_eq!(world.signed(&ID_PORTEN, &claims).await, INVALID, "{change}");
    }
    assert_ne!(world.signed(&ID_PORTEN, &citizen).await, INVALID);
}

#[tokio::test]
async fn organisations_with_a_wrong_claim() {
    let world = World::new().await;
    let organisation = world.organisation();
    let mut changes = wrong_for_both(world.now());
    changes.extend([
        json!({"iss": "https://maskinporten.example.no"}),
        json!({"iss": "http://maskinporten.example.no/"}),
        json!({"iss": "https://maskinporten.example.no//"}),
        json!({"iss": "https://maskinporten.example.no/.well-known"}),
        json!({"iss": ID_PORTEN_ISSUER, "pid": "20914695016", "acr": "idporten-loa-high", "aud": AUDIENCE}),
    ]);
    for change in changes {
        let claims = with(&organisation, &change);
        assert_eq!(world.signed(&MASKINPORTEN, &claims).await, INVALID, "{change}");
    }
    assert_ne!(world.signed(&MASKINPORTEN, &organisation).await, INVALID);
}

#[tokio::test]
async fn organisations_with_a_wrong_number_are_forbidden() {
    let world = World::new().await;
    let organisation = world.organisation();
    let named = |authority: &str, id: &str| json!({"authority": authority, "ID": id});
    let wrong = [
        json!("0192:991825827"),
        json!("991825827"),
        json!({}),
        json!([]),
        json!({"authority": "iso6523-actorid-upis"}),
        json!({"ID": "0192:991825827"}),
        json!({"authority": "iso6523-actorid-upis", "ID": 991_825_827}),
        named("iso6523-actorid-upis", "991825827"),
        named("iso6523-actorid-upis", "0192:123456789"),
        named("iso6523-actorid-upis", "0192:999888777"),
        named("iso6523-actorid-upis", "0192:"),
        named("iso6523-actorid-upis", "0192: 991825827"),
        named("iso6523-actorid-upis", "0192:991825827:1"),
        named("iso6523-actorid-upis", "9908:991825827"),
        named("iso6523-actorid-upis", "0007:991825827"),
        named("other", "0192:991825827"),
    ];
    let missing = with(&organisation, &json!({"consumer": null}));
    assert_eq!(world.signed(&MASKINPORTEN, &missing).await, FORBIDDEN);
    // `client_id` and the like are no substitute.
    let instead = with(&missing, &json!({"client_orgno": "991825827", "orgno": "991825827"}));
    assert_eq!(world.signed(&MASKINPORTEN, &instead).await, FORBIDDEN);
    for participant in wrong {
        for claim in ["consumer", "supplier"] {
            let claims = with(&organisation, &json!({claim: participant}));
            assert_eq!(
                world.signed(&MASKINPORTEN, &claims).await,
                FORBIDDEN,
                "{claim} {participant}"
            );
        }
    }
    assert!(matches!(
        world.signed(&MASKINPORTEN, &organisation).await,
        Verdict::Organisation(_)
    ));
}

#[tokio::test]
async fn one_issuers_key_proves_nothing_of_the_other() {
    let world = World::new().await;
    assert_eq!(world.signed(&MASKINPORTEN, &world.citizen()).await, INVALID);
    assert_eq!(world.signed(&ID_PORTEN, &world.organisation()).await, INVALID);
    // Not even under the right key id.
    let header = with(&MASKINPORTEN.header(), &json!({"kid": ID_PORTEN.kid}));
    assert_eq!(
        world.verdict(&MASKINPORTEN.token(&header, &world.citizen())).await,
        INVALID
    );
}

#[tokio::test]
async fn a_stranger_to_both_issuers_makes_nobody_fetch() {
    let world = World::new().await;
    let claims = with(&world.citizen(), &json!({"iss": "https://stranger.example.no"}));
    assert_eq!(world.signed(&OTHER, &claims).await, INVALID);
    assert_eq!((world.id_porten.fetches(), world.maskinporten.fetches()), (0, 0));
}
