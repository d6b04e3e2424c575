"""What Schemathesis cannot know of the register: which texts are valid by more than their form, and who calls.

The address of the register is in REGISTER. Everybody here is made up: identity numbers are synthetic (month + 80), mobiles
are those that Sweden reserves for fiction, mails go to example.no.
"""

import base64
import datetime
import itertools
import json
import os
import pathlib
import random
import urllib.request

import schemathesis
from hypothesis import strategies as st

REGISTER = os.environ["REGISTER"]
DIGIPOST, E_BOKS = "984661185", "922020175"
AGENCY = "991825827"


def call(path, body=None):
    """Asks the local stack itself."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(REGISTER + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


TEST_PERSONS = [person["person"] for person in call("/local/persons")]


# Texts


def digit(weights, digits):
    """A control digit; 10 is none."""
    return (11 - sum(weight * int(digit) for weight, digit in zip(weights, digits)) % 11) % 11


def synthetic(day, number):
    """The first identity number from `number` on that is one of a person born on that day."""
    while True:
        digits = f"{day.day:02}{day.month + 80}{day.year % 100:02}{number % 1000:03}"
        for weights in [(3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)]:
            control = digit(weights, digits)
            if control == 10:
                break
            digits += str(control)
        else:
            return digits
        number += 1


def organisation_number(number):
    """The first organisation number from `number` on."""
    while (control := digit((3, 2, 7, 6, 5, 4, 3, 2), f"{number:08}")) == 10:
        number += 1
    return f"{number:08}{control}"


DAYS = st.dates(datetime.date(1940, 1, 1), datetime.date(1999, 12, 28))
ATOMS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFXYZ0123456789!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=20)
DOMAINS = st.sampled_from(["example.no", "post.example.no", "example.com", "blåbær.example", "xn--blbr-roah.example"])
CERTIFICATE = json.loads(pathlib.Path("infra/directory.json").read_text())["printers"][0]["certificate"]
PLACES = st.builds(
    lambda at, request: base64.urlsafe_b64encode(f"{at.isoformat()}Z#{request}".encode()).decode().rstrip("="),
    st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2099, 1, 1)),
    st.uuids(),
)

for name, strategy in {
    "person-identifier": st.sampled_from(TEST_PERSONS) | st.builds(synthetic, DAYS, st.integers(0, 999)),
    "organisation-number": st.just(AGENCY) | st.builds(organisation_number, st.integers(80_000_000, 99_999_000)),
    "mobile-number": st.integers(46701740605, 46701740699).map("+{}".format),
    "idn-email": st.builds(lambda atoms, domain: f"{'.'.join(atoms)}@{domain}", st.lists(ATOMS, min_size=1, max_size=3), DOMAINS),
    "provider": st.sampled_from(["digipost", "e-boks"]),
    "certificate": st.just(CERTIFICATE),
    "place-of-disclosures": PLACES,
}.items():
    schemathesis.openapi.format(name, strategy)


# What is right

# Refusals of what is valid by its form, because of what is in the register or was asked before.
OF_STATE = {
    "contact-required": "neither address would be left",
    "idempotency-key-reused": "the key was used for another request",
    "invalid-availability": "the time is too far from now",
    "invalid-legal-notice": "the sender is a private one",
    "precondition-failed": "the entry has another version",
    "reference-reused": "another letter has the reference",
    "unknown-batch": "there is no such earlier batch",
    "unknown-place": "the feed has not come there",
    "wrong-code": "it is not the code that was sent",
}


@schemathesis.check
def refused_for_its_state(context, response, case):
    """Valid data is refused with 412 or 422 for a reason that no form can tell."""
    if response.status_code not in (412, 422) or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()["type"].removeprefix("urn:problem-type:")
    assert problem in OF_STATE, f"valid by its form, and refused: {problem}"


@schemathesis.hook
def before_call(context, case, kwargs):
    """An example's key would be one request's: each gets one of its own."""
    if (case.headers or {}).get("Idempotency-Key") == EXAMPLE_KEY:
        case.headers["Idempotency-Key"] = f"key-{next(KEYS)}"


EXAMPLE_KEY = "2c7d9a3e-5b1f-4c7e-9d5e-0a8f6b3c1d2e"
KEYS = itertools.count()


# Callers

# Many requests in a row are one caller's, so that they meet what was done before.
IN_A_ROW = 12
NEWCOMERS = [synthetic(datetime.date(1970, 1, 1) + datetime.timedelta(days=day), 500) for day in range(60)]


# Who announced a letter asks for it: by the token that it was announced with.
ANNOUNCED = {}


@schemathesis.hook
def after_call(context, case, response):
    if case.operation.label == "POST /v1/letters" and response.status_code == 202:
        ANNOUNCED[response.json()["id"]] = case.headers["Authorization"].removeprefix("Bearer ")


@schemathesis.auth(refresh_interval=None)
class Callers:
    """The right token for an operation: of a citizen, of a provider, or of an agency."""

    def __init__(self):
        self.lots = random.Random(1)
        self.tokens = {}
        self.calls = 0
        self.turn()

    def turn(self):
        self.citizen = self.lots.choice(TEST_PERSONS + NEWCOMERS)
        self.provider = self.lots.choice([DIGIPOST, E_BOKS])
        self.follower = self.lots.choice([AGENCY, AGENCY, self.provider])

    def get(self, case, context):
        self.calls += 1
        if self.calls % IN_A_ROW == 0:
            self.turn()
        security = case.operation.definition.raw.get("security") or [{}]
        if "idPorten" in security[0]:
            return self.token({"citizen": self.citizen})
        if case.path.startswith("/v1/mailboxes"):
            return self.token({"organisation": self.provider})
        if case.path.startswith(("/v1/letters", "/v1/changes")):
            of_letter = ANNOUNCED.get((case.path_parameters or {}).get("id"))
            return of_letter or self.token({"organisation": self.follower})
        return self.token({"organisation": AGENCY})

    def token(self, caller):
        # A token holds for an hour, a run for minutes.
        key = tuple(caller.items())
        if key not in self.tokens:
            self.tokens[key] = call("/local/tokens", caller)["token"]
        return self.tokens[key]

    def set(self, case, data, context):
        if case.operation.definition.raw.get("security"):
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
