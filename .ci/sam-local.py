#!/usr/bin/env python3
"""Runs the built functions in `sam local`, as README's "With sam local" has it.

A mailbox is registered and looked up through `sam local start-api`, the authorizer in front; a call without token and one
without the right scope are refused; `sam local invoke` runs a function that has no route. It wants sam in PATH, Docker with the
emulation image (infra/docker/start, infra/docker/image), the functions built for this machine's processor (infra/build), and
the stack (cargo build or cargo test).

Ends with 1 at the first answer that is not as it should be. What it has started is gone then.
"""

import argparse
import contextlib
import difflib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

# A test person with a mobile and no mailbox.
PERSON = "21836797660"
EBOKS = "922020175"
AGENCY = "991825827"
JSON = "application/json"
PROBLEM = "application/problem+json"
# Seconds until something is ready, or answers.
PATIENCE = 120


class Wrong(Exception):
    """An answer that is not as it should be, or none."""


def check(what, found, expected):
    if found != expected:
        texts = [json.dumps(value, indent=1, ensure_ascii=False).splitlines() for value in (expected, found)]
        raise Wrong("\n".join([f"{what}:", *difflib.unified_diff(*texts, "expected", "found", lineterm="")]))
    print(f"   {what}", flush=True)


def call(url, body=None, **headers):
    """Status, media type and JSON of an answer, as a list."""
    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"Content-Type": JSON, **headers})
    # Past a proxy that the machine may have.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request, timeout=PATIENCE)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        text = answer.read()
        return [answer.status, answer.headers["Content-Type"], json.loads(text) if text else None]


@contextlib.contextmanager
def running(command, log, is_ready, environment):
    """Starts a process, waits until it is ready, and ends it."""
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + PATIENCE
            while not is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Wrong(f"{' '.join(command)} is not ready")
                time.sleep(0.2)
            yield
        except BaseException:
            print(f"── what {command[0]} wrote\n{pathlib.Path(log).read_text(encoding='utf-8')}", file=sys.stderr)
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def answers(port):
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def containers():
    """What SAM has running in Docker."""
    command = ["docker", "container", "ls", "--all", "--quiet", "--filter", "label=sam.cli.container.type=lambda"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def story(api, services):
    """Through the API at one address, with tokens from the other."""

    def token(organisation, scope):
        asked = {"organisation": organisation, "scopes": [scope]}
        return "Bearer " + call(f"{services}/local/tokens", asked)[2]["token"]

    lookup = {"persons": [PERSON], "purpose": "Decision on a building permit"}
    mailbox = {"person": PERSON, "address": "ola.nordmann#9YDT"}
    registered = {
        "person": PERSON,
        "status": "registered",
        "reserved": False,
        "mailbox": {"provider": "e-boks", "organisation": EBOKS, "address": "ola.nordmann#9YDT"},
    }
    invalid_token = {
        "type": "urn:problem-type:invalid-token",
        "title": "A valid access token is needed.",
        "status": 401,
        "fault": "caller",
        "retryable": False,
    }
    forbidden = {
        "type": "urn:problem-type:forbidden",
        "title": "The caller does not have the right to do this.",
        "status": 403,
        "fault": "caller",
        "retryable": False,
    }
    agency = token(AGENCY, "krr:global/digitalpost.read")
    other = token(AGENCY, "krr:global/varsling.write")
    eboks = token(EBOKS, "krr:global/postkasse.write")

    check("a look-up without a token is refused", call(f"{api}/v1/lookups", lookup), [401, PROBLEM, invalid_token])
    check(
        "and so is one with a token that nobody issued",
        call(f"{api}/v1/lookups", lookup, Authorization=agency[:-8]),
        [401, PROBLEM, invalid_token],
    )
    check(
        "a look-up without its scope is refused",
        call(f"{api}/v1/lookups", lookup, Authorization=other),
        [403, PROBLEM, forbidden],
    )
    check(
        "an agency may not register a mailbox",
        call(f"{api}/v1/mailboxes", mailbox, Authorization=agency, Idempotency_Key="register-1"),
        [403, PROBLEM, forbidden],
    )
    check(
        "e-Boks registers a mailbox",
        call(f"{api}/v1/mailboxes", mailbox, Authorization=eboks, Idempotency_Key="register-1"),
        [201, JSON, {"active": True, "confirmation": "sms"}],
    )
    check(
        "which it has registered once, however often it asks",
        call(f"{api}/v1/mailboxes", mailbox, Authorization=eboks, Idempotency_Key="register-1"),
        [201, JSON, {"active": True, "confirmation": "sms"}],
    )
    check(
        "the agency finds it",
        call(f"{api}/v1/lookups", lookup, Authorization=agency),
        [200, JSON, {"results": [registered]}],
    )
    messages = call(f"{services}/local/outbox")[2]
    check(
        "the person is told by SMS, once",
        [[message["to"], message["text"]] for message in messages],
        [
            [
                "+46701740606",
                "Kontaktregisteret: Du har valgt e-Boks som digital postkasse. Var det ikke deg? "
                "Logg inn slik du pleier.",
            ]
        ],
    )
    check(
        "what is no route is not found",
        call(f"{api}/v1/nothing"),
        [404, PROBLEM, {
            "type": "urn:problem-type:not-found",
            "title": "There is nothing here.",
            "status": 404,
            "fault": "caller",
            "retryable": False,
        }],
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--local", default="target/debug/local", metavar="FILE", help="the stack, as cargo test builds it")
    arguments.add_argument("--build", default=".aws-sam/build", metavar="FOLDER", help="what sam build has made")
    arguments.add_argument("--architecture", default="x86_64", help="the processor it was made for")
    arguments.add_argument("--api-port", default=3000, type=int)
    arguments.add_argument("--services-port", default=4000, type=int)
    given = arguments.parse_args()
    os.chdir(pathlib.Path(__file__).parent.parent)

    bridge = os.environ.get("DOCKER_BRIDGE")
    if not bridge:
        raise Wrong('DOCKER_BRIDGE is not set: eval "$(infra/docker/start)"')
    services = f"http://{bridge}:{given.services_port}"
    api = f"http://127.0.0.1:{given.api_port}"
    if answers(given.api_port):
        raise Wrong(f"port {given.api_port} is taken")
    environment = {
        **os.environ,
        # Nobody's credentials, and SAM asks nobody in AWS whose they are.
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_ENDPOINT_URL": services,
        "SAM_CLI_TELEMETRY": "0",
    }
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        environment.pop(name, None)

    with contextlib.ExitStack() as started:
        folder = pathlib.Path(started.enter_context(tempfile.TemporaryDirectory()))
        env_file = folder / "env.json"
        options = ["--services-only", "--listen", bridge, "--port", str(given.services_port), "--env-file", str(env_file)]
        started.enter_context(running([given.local, *options], folder / "services.log", env_file.exists, environment))

        common = ["--template", f"{given.build}/template.yaml", "--env-vars", str(env_file), "--skip-pull-image"]
        common += ["--parameter-overrides", f"Architecture={given.architecture}"]
        command = ["sam", "local", "start-api", *common, "--warm-containers", "LAZY", "--port", str(given.api_port)]
        with running(command, folder / "api.log", lambda: answers(given.api_port), environment):
            story(api, services)
        check("sam local start-api leaves no container behind", containers(), [])

        command = ["sam", "local", "invoke", "NotifyFunction", *common, "--event", "infra/events/sms-queue.json"]
        invoked = subprocess.run(command, capture_output=True, text=True, env=environment)
        if invoked.returncode != 0:
            raise Wrong(f"sam local invoke ended with {invoked.returncode}:\n{invoked.stderr}")
        check(
            "sam local invoke: of two messages the one that nobody can read is to come again",
            json.loads(invoked.stdout),
            {"batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]},
        )
        check("sam local invoke leaves no container behind", containers(), [])


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"{wrong}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed}\n{failed.stderr}")
