"""Every `aws …` command of the pages named as arguments is one that there is, with options that it has and needs.

Reads the descriptions of AWS's services that come with botocore: neither an account nor the network plays a part.
"""

import re
import shlex
import sys
from pathlib import Path

import botocore.session
from botocore import xform_name

# What the command line adds to the services by itself.
OF_THE_COMMAND_LINE = {
    ("s3", "cp"): {"recursive", "metadata"},
    ("s3", "ls"): {"recursive"},
    ("logs", "tail"): {"since", "format", "follow", "filter-pattern"},
    ("configure", "export-credentials"): {"format"},
}
CALLED_OTHERWISE = {"s3api": "s3"}
GLOBAL = {"output", "query", "region", "profile", "cli-binary-format", "max-items", "no-cli-pager"}
ENDS = {";", "|", "||", "&&", "&", ")", "}", ">"}

session = botocore.session.get_session()


def commands(text):
    """The words after each `aws`, up to the end of its command."""
    code = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL) + re.findall(r"(?<!`)`(aws [^`]+)`(?!`)", text)
    for block in code:
        for line in re.sub(r"\\\n\s*", " ", block).split("\n"):
            for start in re.finditer(r"(?<![\w/-])aws (?=[a-z])", line):
                words = []
                lexer = shlex.shlex(line[start.end() :], posix=True, punctuation_chars=";|&)}")
                lexer.whitespace_split = True
                lexer.commenters = "#"
                try:
                    for word in lexer:
                        if word in ENDS or word.rstrip(";") in ENDS:
                            break
                        words.append(word)
                except ValueError:
                    # It stood within quotes itself: what comes after them is not its own.
                    pass
                yield words, line.strip()


def faults(words):
    if len(words) < 2:
        return "no operation"
    service, operation = words[:2]
    service = CALLED_OTHERWISE.get(service, service)
    given = [word[2:].split("=")[0] for word in words[2:] if word.startswith("--")]
    if (words[0], operation) in OF_THE_COMMAND_LINE:
        known, needed = OF_THE_COMMAND_LINE[words[0], operation], set()
    elif service not in session.get_available_services():
        return f"there is no {service}"
    else:
        model = session.get_service_model(service)
        names = {xform_name(name, "-"): name for name in model.operation_names}
        if operation not in names:
            return f"{service} has no {operation}"
        shape = model.operation_model(names[operation]).input_shape
        option = lambda member: xform_name(member, "-")
        known = {option(member) for member in shape.members} if shape else set()
        needed = {option(member) for member in shape.required_members} if shape else set()
    unknown = [name for name in given if name not in known | GLOBAL]
    missing = sorted(needed - set(given))
    if unknown or missing:
        return f"unknown options {unknown}, missing options {missing}"
    return None


def main():
    seen, failed = 0, 0
    for page in sys.argv[1:]:
        for words, line in commands(Path(page).read_text(encoding="utf-8")):
            seen += 1
            if fault := faults(words):
                failed += 1
                print(f"{page}: {fault}\n    {line}", file=sys.stderr)
    if failed or not seen:
        sys.exit(f"{failed} of {seen} commands are not as AWS has them.")
    print(f"{seen} commands are as AWS has them.")


if __name__ == "__main__":
    main()
