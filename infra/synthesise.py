"""What template.yaml becomes in an account: SAM's own translator, then every parameter and condition put in.

    "$(infra/tools/install sam)/python" infra/synthesise.py        # writes target/synthesised.json

Needs neither an account nor the network. A reference to a resource becomes text: `${RegisterTable}` is its name (`Ref`),
`${RegisterTable.Arn}` an attribute (`GetAtt`). Every condition of the template holds here, so that nothing is left out.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parent.parent

# Parameters that have no default, and those without which a condition would not hold. Nobody's: see example.no.
PARAMETERS = {
    "IdPortenAudience": "https://register.example.no",
    "PersonKeyArn": "arn:aws:kms:eu-north-1:123456789012:key/00000000-0000-4000-8000-000000000000",
    "PersonKeyWrapped": "c3ludGhldGlj",
    "OwnerName": "Kontaktregisteret",
    "SmsSenderId": "Register",
    "EmailSender": "register@example.no",
    "DomainName": "register.example.no",
    "CertificateArn": "arn:aws:acm:eu-north-1:123456789012:certificate/00000000-0000-4000-8000-000000000000",
    "AlarmEmail": "operators@example.no",
}
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-north-1",
    "AWS::StackName": "mailbox-register",
    "AWS::URLSuffix": "amazonaws.com",
}


class Policies:
    """Managed policies by name, which SAM would ask IAM for: none is used."""

    def load(self):
        return {}


def main():
    # SAM asks for it where it makes up ARNs.
    os.environ["AWS_DEFAULT_REGION"] = PSEUDO_PARAMETERS["AWS::Region"]
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target" / "synthesised.json"
    source = (ROOT / "template.yaml").read_bytes()
    template = yaml_parse(source.decode("utf-8"))
    values = {name: spec.get("Default") for name, spec in template["Parameters"].items()} | PARAMETERS
    missing = sorted(name for name, value in values.items() if value is None)
    unknown = sorted(values.keys() - template["Parameters"].keys())
    if missing or unknown:
        sys.exit(f"infra/synthesise.py: parameters without a value: {missing}, values without a parameter: {unknown}")
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # As `sam package` puts it.
            resource["Properties"]["CodeUri"] = f"s3://artefacts/{resource['Properties']['CodeUri']}"
    try:
        translated = transform(template, values | PSEUDO_PARAMETERS, Policies())
    except InvalidDocumentException as error:
        sys.exit("\n".join([error.message, *(cause.message for cause in error.causes)]))
    put_in = PutIn(translated, values | PSEUDO_PARAMETERS)
    document = {
        "AWSTemplateFormatVersion": translated["AWSTemplateFormatVersion"],
        "Description": translated["Description"],
        # Whoever reads the file later can tell whether it is of today's template.
        "Metadata": {"MadeFrom": list(hashlib.sha256(source).digest())},
        "Resources": {id: put_in.all(resource) for id, resource in translated["Resources"].items()},
        "Outputs": {id: put_in.all(output) for id, output in translated["Outputs"].items()},
    }
    for part in ("Resources", "Outputs"):
        left_out = [id for id, it in document[part].items() if not put_in.condition(it.pop("Condition", None))]
        if left_out:
            sys.exit(f"infra/synthesise.py: conditions leave out {left_out}: give the parameters other values")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{len(document['Resources'])} resources in {out}")


class PutIn:
    """Puts values into intrinsic functions."""

    def __init__(self, template, values):
        self.template = template
        self.values = values

    def condition(self, name):
        return name is None or self.all(self.template["Conditions"][name])

    def all(self, value):
        if isinstance(value, list):
            return [self.all(each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self.intrinsic(name, argument)
        return {key: self.all(each) for key, each in value.items()}

    def reference(self, name):
        if name in self.values:
            return self.values[name]
        if name.split(".")[0] not in self.template["Resources"]:
            sys.exit(f"infra/synthesise.py: {name} is neither a parameter nor a resource")
        return "${" + name + "}"

    def intrinsic(self, name, argument):
        match name, argument:
            case "Ref", str():
                return self.reference(argument)
            case "Fn::GetAtt", str():
                return self.reference(argument)
            case "Fn::GetAtt", [resource, attribute]:
                return self.reference(f"{resource}.{attribute}")
            case "Fn::Sub", str():
                return self.substitute(argument, {})
            case "Fn::Sub", [text, variables]:
                return self.substitute(text, self.all(variables))
            case "Fn::Join", [separator, parts]:
                return separator.join(str(part) for part in self.all(parts))
            case "Fn::Split", [separator, text]:
                return self.all(text).split(separator)
            case "Fn::Select", [index, choices]:
                return self.all(choices)[int(index)]
            case "Fn::If", [condition, then, otherwise]:
                return self.all(then if self.condition(condition) else otherwise)
            case "Fn::Equals", [one, other]:
                return self.all(one) == self.all(other)
            case "Fn::Not", [condition]:
                return not self.all(condition)
            case _:
                sys.exit(f"infra/synthesise.py: {name} is not understood: {argument}")

    def substitute(self, text, variables):
        def value(match):
            name = match.group(1)
            # `${!Name}` stands for `${Name}` as it is.
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            return str(variables[name] if name in variables else self.reference(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)


if __name__ == "__main__":
    main()
