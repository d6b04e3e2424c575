//! Values where nobody expects them: in headers, queries, paths, methods, names of fields, and in place of each other.

use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, EBOKS, OLA, Request};

use crate::{
    EMAIL, MAILBOX, MISTYPED, MOBILE, NAME, Run, STRAY_CODE, STRAY_EMAIL, STRAY_MAILBOX, STRAY_MOBILE, UNKNOWN,
    letters::letter,
};

/// A test person with two mailboxes.
const SOFIE: &str = "13527248013";

/// A request, and a value somewhere in it.
type Place = for<'a> fn(Request<'a>, &str) -> Request<'a>;

impl Run {
    /// Values that are refused where they belong, and numbers in an agency's own words.
    pub(crate) async fn send_bad_values(&self) {
        let (ola, eboks, agency) = (self.citizen(OLA), self.provider(EBOKS), self.agency());
        let local = STRAY_EMAIL.split('@').next().unwrap();
        let emails = [
            local.to_owned(),
            format!("{local}@"),
            format!("{local}@@example.no"),
            format!("\"{local}\"@example.no"),
            format!("{local}@[127.0.0.1]"),
            format!("{local}(comment)@example.no"),
            format!("å{local}@example.no"),
            format!("{local}\u{202e}@example.no"),
            format!("{local}@example.no\r\nBcc: {EMAIL}"),
            format!("{local}\0@example.no"),
            format!("{local}@example.no, {EMAIL}"),
            format!("{local}@{}.no", "x".repeat(320)),
        ];
        let mobiles = [
            &STRAY_MOBILE[3..],
            "+4670174065",
            "+46701740653000000",
            "+46 70 174 06 53 x",
            "+8816701740653",
        ];
        let contacts = emails.iter().map(|email| json!({ "email": email }));
        let contacts = contacts.chain(mobiles.iter().map(|mobile| json!({ "mobile": mobile })));
        let more = [
            json!({ "language": NAME }),
            json!({ "preferredChannel": NAME }),
            json!({ "email": { EMAIL: MOBILE } }),
            json!({ "mobile": [MOBILE] }),
        ];
        let mut refused: Vec<Request<'_>> = contacts
            .chain(more)
            .map(|body| ola.put("/v1/me/contact", &body))
            .collect();
        let codes = [STRAY_CODE, "48 29 13", "482913482913"].map(|code| json!({ "channel": "sms", "code": code }));
        refused.extend(codes.iter().map(|body| ola.post("/v1/me/contact/validate", body)));
        refused.push(ola.post("/v1/me/contact/validate", &json!({ "channel": NAME })));
        refused.push(ola.put("/v1/me/mailbox", &json!({ "provider": NAME.to_lowercase() })));
        let mailboxes = [
            json!({ "person": MISTYPED, "address": STRAY_MAILBOX }),
            json!({ "person": 2_907_740_652_u64, "address": STRAY_MAILBOX }),
            json!({ "person": UNKNOWN, "address": format!("{STRAY_MAILBOX} x") }),
            json!({ "person": UNKNOWN, "address": format!("{STRAY_MAILBOX}\u{200b}") }),
            json!({ "person": UNKNOWN, "address": STRAY_MAILBOX.repeat(10) }),
            json!({ "person": UNKNOWN, "address": STRAY_MAILBOX, "certificate": NAME }),
            json!({ "person": UNKNOWN, "address": STRAY_MAILBOX, "validated": NAME }),
        ];
        refused.extend(mailboxes.iter().map(|body| eboks.post("/v1/mailboxes", body)));
        let spaced = format!("{} {}", &UNKNOWN[..6], &UNKNOWN[6..]);
        let lookups = [
            json!({ "persons": [OLA, MISTYPED, spaced, null, { UNKNOWN: 1 }], "purpose": "Vedtak" }),
            json!({ "persons": UNKNOWN, "purpose": "Vedtak" }),
            json!({ "persons": vec![UNKNOWN; 1001], "purpose": "Vedtak" }),
            json!({ "persons": [OLA], "purpose": NAME.repeat(20) }),
            json!({ "persons": [OLA], "purpose": "Vedtak", "reference": NAME.repeat(20) }),
            json!({ "persons": [OLA], "purpose": UNKNOWN }),
            json!({ "persons": [OLA], "purpose": format!("Vedtak for {UNKNOWN}.") }),
            json!({ "persons": [OLA], "purpose": format!("Vedtak for {spaced}") }),
            json!({ "persons": [OLA], "purpose": "Vedtak", "reference": format!("sak-{UNKNOWN}-1") }),
        ];
        refused.extend(lookups.iter().map(|body| agency.post("/v1/lookups", body)));
        refused.extend(self.bad_letters());
        refused.extend(self.bad_orders());
        for (at, request) in refused.iter().enumerate() {
            let answer = self.ask_in_vain(request).await;
            assert!(
                answer.status.is_client_error(),
                "{at}: {} {}",
                answer.status,
                answer.body
            );
        }
        self.look_into_tables().await;
    }

    /// Every route, with a value in every place that is not for it.
    pub(crate) async fn use_odd_places(&self) {
        const PLACES: [Place; 19] = [
            |request, value| request.key(value),
            |request, value| request.if_match(&format!("\"{value}\"")),
            |request, value| request.header("content-type", &format!("application/{value}")),
            |request, value| request.header("accept", &format!("text/{value}")),
            |request, value| request.header("authorization", &format!("Bearer {value}")),
            |request, value| request.and_header("authorization", &format!("Bearer {value}")),
            |request, value| request.header("user-agent", value),
            |request, value| request.header("referer", &format!("https://example.no/{value}")),
            |request, value| request.header("cookie", &format!("person={value}")),
            |request, value| request.header("x-request-id", value),
            |request, value| request.header("x-amzn-trace-id", value),
            |request, value| request.header("traceparent", value),
            |request, value| request.header("x-forwarded-for", value),
            |request, value| request.header("x-person", value).header("x-20914695016", "1"),
            |request, value| request.json(&json!({ value: value })),
            |request, value| request.json(&json!([value])),
            |request, value| request.json(&json!(value)),
            |request, value| request.bytes(format!("{{\"person\":\"{value}")),
            |request, value| request.bytes(format!("{value}\u{fe}").into_bytes()),
        ];
        let values = [
            UNKNOWN,
            STRAY_EMAIL,
            MISTYPED,
            STRAY_MOBILE,
            STRAY_MAILBOX,
            NAME,
            STRAY_CODE,
        ];
        // There are more places than values, and more routes: each place gets each value on some route.
        let mut turn = values.iter().cycle();
        for (caller, method, path, body) in self.routes().await {
            let path = path.as_str();
            let request = |path: &str| caller.request(method.clone(), path).header("if-match", "*");
            let whole = |path: &str| request(path).key(NAME).json(&body);
            let mut requests = Vec::new();
            for place in PLACES {
                requests.push(place(whole(path), turn.next().unwrap()));
            }
            for value in values {
                let value = value.replace('#', "%23").replace('+', "%2B");
                requests.push(whole(&format!("{path}/{value}")));
                requests.push(whole(&format!("/v1/{value}")));
                requests.push(whole(&format!("{path}?person={value}&{value}=1&limit={value}")));
            }
            let odd_method = Method::from_bytes(UNKNOWN.as_bytes()).unwrap();
            requests.push(caller.request(odd_method.clone(), path));
            requests.push(caller.request(odd_method, &format!("/v1/{UNKNOWN}")));
            // Each field in place of the other; what may be any text is not for numbers.
            for field in body.as_object().into_iter().flat_map(|fields| fields.keys()) {
                for value in values {
                    if !matches!(field.as_str(), "address" | "purpose" | "reference") {
                        let mut body = body.clone();
                        body[field] = value.into();
                        requests.push(request(path).key(&format!("{field}-{value}")).json(&body));
                    }
                }
            }
            for request in requests {
                let is_theirs = path.starts_with("/v1/me") || path == "/v1/lookups";
                if path.starts_with("/v1/letters") {
                    self.ask_about_letters(&request).await;
                } else if is_theirs {
                    self.ask(&request).await;
                } else {
                    self.ask_in_vain(&request).await;
                }
            }
        }
        self.look_into_tables().await;
        self.world.stack.settle().await.unwrap();
        self.look_into_tables().await;
    }

    /// One good request for each route and method.
    async fn routes(&self) -> Vec<(Caller<'_>, Method, String, Value)> {
        let (sofie, eboks, agency) = (self.citizen(SOFIE), self.provider(EBOKS), self.agency());
        let announcer = self.announcer(AGENCY);
        let mut odd = letter(SOFIE, "brev-odde");
        odd["availableFrom"] = json!(self.world.stack.clock().now().to_string());
        odd["language"] = json!("en");
        let id = self.announce(SOFIE, "brev-rare").await;
        let (get, put, post, delete) = (Method::GET, Method::PUT, Method::POST, Method::DELETE);
        let mailbox = json!({ "person": SOFIE, "address": MAILBOX });
        let mut routes = vec![
            (sofie.clone(), get.clone(), "/v1/me", Value::Null),
            (
                sofie.clone(),
                put.clone(),
                "/v1/me/contact",
                json!({ "email": EMAIL, "mobile": MOBILE, "language": "nn" }),
            ),
            (sofie.clone(), post.clone(), "/v1/me/contact/confirm", json!({})),
            (
                sofie.clone(),
                post.clone(),
                "/v1/me/contact/validate",
                json!({ "channel": "sms", "code": "000000" }),
            ),
            (
                sofie.clone(),
                put.clone(),
                "/v1/me/mailbox",
                json!({ "provider": "digipost" }),
            ),
            (sofie.clone(), delete.clone(), "/v1/me/mailbox", json!({})),
            (sofie.clone(), put, "/v1/me/reservation", json!({})),
            (sofie.clone(), delete.clone(), "/v1/me/reservation", json!({})),
            (sofie.clone(), get.clone(), "/v1/me/history", Value::Null),
            (eboks.clone(), post.clone(), "/v1/mailboxes", mailbox),
            (
                eboks.clone(),
                post.clone(),
                "/v1/mailboxes/eligibility",
                json!({ "person": SOFIE }),
            ),
            (eboks, post.clone(), "/v1/mailboxes/close", json!({ "person": SOFIE })),
            (
                agency,
                post.clone(),
                "/v1/lookups",
                json!({ "persons": [SOFIE], "purpose": "Vedtak" }),
            ),
            (self.world.nobody(), get.clone(), "/v1/providers", Value::Null),
            (announcer.clone(), post.clone(), "/v1/letters", odd),
            (announcer.clone(), get.clone(), "/v1/letters", Value::Null),
        ];
        let of_letter = [
            (get.clone(), format!("/v1/letters/{id}"), Value::Null),
            (post.clone(), format!("/v1/letters/{id}/opened"), json!({})),
            (post.clone(), format!("/v1/letters/{id}/cancel"), json!({})),
        ];
        let sender = self.sender(AGENCY);
        let order = json!({ "name": "liste.csv", "kind": "lookup", "purpose": "Vedtak", "dryRun": false });
        let batch = self.ask_for_upload(&order).await.body["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let of_batch = [
            (post.clone(), "/v1/batches".to_owned(), order),
            (get.clone(), "/v1/batches".to_owned(), Value::Null),
            (get, format!("/v1/batches/{batch}"), Value::Null),
            (post.clone(), format!("/v1/batches/{batch}/approve"), json!({})),
            (post, format!("/v1/batches/{batch}/cancel"), json!({})),
        ];
        let of_batch = of_batch.map(|(method, path, body)| (sender.clone(), method, path, body));
        // Last, because then there is nobody any more.
        let last = (sofie, delete, "/v1/me", Value::Null);
        let of_letter = of_letter.map(|(method, path, body)| (announcer.clone(), method, path, body));
        let owned = |(caller, method, path, body): (_, _, &str, _)| (caller, method, path.to_owned(), body);
        routes
            .drain(..)
            .map(owned)
            .chain(of_letter)
            .chain(of_batch)
            .chain([owned(last)])
            .collect()
    }
}
