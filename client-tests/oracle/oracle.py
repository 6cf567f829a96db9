"""Decides whether the emulator's AWS IoT API is what AWS's own service models say.

    oracle.py TABLE MATERIAL

TABLE is emulator/src/service_model/iot.txt, of which only the names of the operations are read; all else
comes from botocore. MATERIAL is a JSON object of certificates, which only the caller can make.
The emulator is found by AWS_ENDPOINT_URL; its clock must be a manual one. Five passes:

  breaches   each constraint of each member broken by itself: InvalidRequestException, in AWS's words
  nobody     valid requests that name nothing that exists: a success, or a declared exception
  somebody   one of each kind is made, used and deleted through whatever operations are there
  course     each operation with all it needs (course.py): a success
  absent     operations of AWS that are not here are refused by name

Every answer on the way is held against the model (answers.py). One line for each violation, then a
summary; exit status 1 if there was any violation. An operation that never succeeded is one, unless
NEVER says why; which members no answer had is only noted.
"""

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass

import botocore.exceptions
import botocore.session
from botocore.config import Config

import answers
import breaches
import course
import coverage
from samples import ARN, Samples, text_of
from steps import Failed, Steps

# In which order somebody's operations are called. What fails for want of another comes again.
MAKING = ("Create", "Register")
PHASES = (
    MAKING,
    MAKING,
    ("Attach", "Add", "Associate", "Tag", "Start"),
    ("Describe", "Get", "List", "Search", "Test", "Validate"),
    ("Update", "Set", "Enable", "Disable", "Replace", "Transfer", "Accept", "Reject"),
    ("Untag", "Detach", "Remove", "Disassociate", "Deprecate", "Cancel", "Stop"),
    ("Delete",),
    ("Delete",),
)
NOBODY = {
    "certificateId": "f" * 64,
    "caCertificateId": "e" * 64,
    "principal": f"{ARN}cert/{'f' * 64}",
    "target": f"{ARN}cert/{'f' * 64}",
    "resourceArn": f"{ARN}thinggroup/nobody",
    "policyName": "nobody",
    "thingName": "nobody",
    "ruleName": "nobody",
}
# Who asks: the default account, and those of the course.
ACCOUNTS = (None, course.ACCOUNT, course.OTHER)
# Operations that cannot succeed in a run, each with the reason.
NEVER = {}
# What botocore says of a request that cannot be put on the wire.
UNSAYABLE = (KeyError, botocore.exceptions.ParamValidationError)
# Somebody's requests that cannot be what all are.
OWN = {
    "DeletePolicyVersion": {"policyVersionId": "2"},
}


@dataclass
class Answer:
    """As it came over the wire."""

    status: int
    headers: dict
    body: bytes
    error: str = ""
    message: str = ""


class Oracle:
    def __init__(self, served):
        session = botocore.session.get_session()
        self.model = session.get_service_model("iot")
        self.served = served
        self.violations = []
        self.counts = Counter()
        self.succeeded = set()
        self.last_error = {}
        self.told = set()
        self.raw = None
        self.clients = {account: self.client(session, account) for account in ACCOUNTS}

    def client(self, session, account):
        """A client of the default account if `account` is None."""
        # What is wrong must reach the emulator, once, on one connection.
        config = Config(parameter_validation=False, retries={"max_attempts": 0})
        # An access key ID of twelve digits is an account.
        keys = {"aws_access_key_id": account, "aws_secret_access_key": account}
        client = session.create_client("iot", config=config, **keys)
        client.meta.events.register("before-parse.iot", self.keep)
        return client

    def keep(self, response_dict, **_):
        self.raw = response_dict

    def wrong(self, operation, text):
        self.violations.append(f"{operation}: {text}")

    def ask(self, name, request, account=None):
        """Sends a request and holds the answer against the model: the answer as it came, and as
        botocore reads it. None if botocore cannot say it, or no answer came."""
        operation = self.model.operation_model(name)
        self.raw, error, output = None, {}, {}
        try:
            output = self.clients[account]._make_api_call(name, request)
        except botocore.exceptions.ClientError as failure:
            error = failure.response["Error"]
        except Exception as failure:
            if self.raw is not None:
                self.wrong(name, f"botocore cannot read the answer: {failure}")
            elif isinstance(failure, UNSAYABLE):
                self.counts[f"not sent, botocore says {type(failure).__name__}"] += 1
                return None
            else:
                self.wrong(name, f"no answer: {failure} (asked {shown(request)})")
                return None
        self.counts["requests"] += 1
        headers = {key.lower(): value for key, value in self.raw["headers"].items()}
        answer = Answer(self.raw["status_code"], headers, self.raw["body"])
        answer.error, answer.message = error.get("Code", ""), error.get("Message", "")
        if answer.status < 300:
            self.succeeded.add(name)
            self.counts["successes"] += 1
        else:
            self.last_error[name] = f"{answer.error}: {answer.message}"
        complaints = list(answers.complaints(operation, answer))
        for complaint in complaints:
            self.wrong(name, f"{complaint} (asked {shown(request)})")
        if answer.body and answer.status < 300 and not complaints:
            told = coverage.seen(operation.output_shape, json.loads(answer.body))
            self.told.update((name, path) for path in told)
        return answer, output

    def breaches(self):
        for name in self.served:
            shape = self.model.operation_model(name).input_shape
            if shape is None:
                continue
            labels = re.findall(r"{(\w+)", self.model.operation_model(name).http["requestUri"])
            for breach, around in breaches.of_operation(shape):
                member = shape.members[breach.path[0]]
                wire = member.serialization.get("name", breach.path[0])
                removed = breach.value is breaches.REMOVED
                if wire in labels and (removed or breach.value == ""):
                    self.counts["not sent, a path without its label"] += 1
                elif removed and breach.path == (shape.serialization.get("payload"),):
                    self.counts["not sent, no body is an empty one"] += 1
                elif asked := self.ask(name, breach.into(around())):
                    self.counts["breaches"] += 1
                    self.judge(name, breach, asked[0])

    def judge(self, name, breach, answer):
        if (answer.status, answer.error) != (400, "InvalidRequestException"):
            said = answer.error or "a success"
            self.wrong(name, f"{breach}: {said} ({answer.status}) {answer.message}")
            return
        words = ("failed to satisfy constraint", breach.name, *breach.words)
        missing = [word for word in words if word not in answer.message]
        if missing:
            self.wrong(name, f"{breach}: {missing} is not in: {answer.message}")
        elif breach.alone and "1 validation error detected: " not in answer.message:
            self.wrong(name, f"{breach}: more than that is refused: {answer.message}")

    def declared(self, name, answer):
        """An operation answers what it declares."""
        declared = {shape.name for shape in self.model.operation_model(name).error_shapes}
        if answer.error and answer.error not in declared:
            self.wrong(name, f"does not declare {answer.error}: {answer.message}")

    def nobody(self):
        # What makes things comes last, or somebody would be there.
        for name in sorted(self.served, key=lambda name: name.startswith(MAKING)):
            shape = self.model.operation_model(name).input_shape
            for everything in (False, True):
                request = Samples(NOBODY, everything).structure(shape) if shape else {}
                missing = {*(shape.required_members if shape else ())} - request.keys()
                if missing:
                    self.counts["no sample"] += 1
                    print(f"note: no sample for {name}: {', '.join(missing)}")
                elif asked := self.ask(name, request):
                    self.declared(name, asked[0])

    def somebody(self):
        known, done = Known(), set()
        for verbs in PHASES:
            for name in self.served:
                if name in done or not name.startswith(verbs):
                    continue
                shape = self.model.operation_model(name).input_shape
                request = Samples(known.of(name)).structure(shape) if shape else {}
                if asked := self.ask(name, completed(name, shape, request)):
                    self.declared(name, asked[0])
                    known.learn(asked[1])
                    done.update([] if asked[0].error else [name])

    def course(self, material):
        steps = Steps(self, course.ACCOUNT, Steps(self, course.OTHER))
        for chapter in course.CHAPTERS:
            try:
                chapter(steps, material)
            except Failed as failed:
                self.wrong(*failed.args)

    def ends(self):
        """What can only be said when all has been asked."""
        for name in self.served:
            if name not in self.succeeded and name not in NEVER:
                self.wrong(name, f"never succeeded: {self.last_error.get(name)}")
        for name in NEVER:
            if name in self.succeeded or name not in self.served:
                self.wrong(name, f"does not belong into NEVER: {NEVER[name]}")

    def coverage(self):
        """Tells which members of answers no answer had, without those inside of them."""
        members = untold = 0
        for name in self.served:
            paths = list(coverage.members(self.model.operation_model(name).output_shape))
            never = coverage.outermost(path for path in paths if (name, path) not in self.told)
            members, untold = members + len(paths), untold + len(never)
            if never:
                print(f"note: {name} never told {', '.join(never)}")
        print(f"{len(self.succeeded)} of {len(self.served)} operations succeeded")
        inside = members - len(self.told) - untold
        print(
            f"{len(self.told)} of {members} output members seen;"
            f" {untold} never, and {inside} inside of these"
        )

    def absent(self):
        for name in self.model.operation_names:
            if name in self.served:
                continue
            operation = self.model.operation_model(name)
            shape = operation.input_shape
            asked = self.ask(name, Samples().structure(shape) if shape else {})
            if asked is None:
                continue
            answer, self.counts["absent"] = asked[0], self.counts["absent"] + 1
            said = f"{answer.status} {answer.error}: {answer.message}"
            if (answer.status, answer.error) != (404, "UnknownOperationException"):
                self.wrong(name, f"is not here, but the answer is {said}")
            words = answer.message
            if name not in words and f" {operation.http['method']} /" not in words:
                self.wrong(name, f"is not here, and the answer does not name it: {said}")


class Known:
    """What somebody's requests carry: what is said for the operation, and what answers have told."""

    def __init__(self):
        self.learned = {}

    def of(self, name):
        return {**self.learned, **OWN.get(name, {})}

    def learn(self, output):
        for member, value in output.items():
            if isinstance(value, str) and re.search("(Arn|Id|Code)$", member):
                self.learned.setdefault(member, value)
        if arn := output.get("certificateArn"):
            for member in ("principal", "target"):
                self.learned.setdefault(member, arn)
        if arn := output.get("thingTypeArn") or output.get("thingGroupArn"):
            self.learned.setdefault("resourceArn", arn)


def completed(name, shape, request):
    """With the optional members without which a request that ties two things together means nothing."""
    if name.startswith(("Add", "Remove")):
        for member in ("thingGroupName", "thingName", "billingGroupName"):
            if member in shape.members and member not in request:
                request[member] = text_of(shape.members[member])
    return request


def shown(request):
    text = str(request)
    return text if len(text) < 120 else text[:100] + "…"


def main():
    with open(sys.argv[1]) as table:
        served = [line.split()[1] for line in table if line.startswith("operation ")]
    with open(sys.argv[2]) as file:
        material = json.load(file)
    oracle = Oracle(served)
    oracle.breaches()
    oracle.nobody()
    oracle.somebody()
    oracle.course(material)
    oracle.absent()
    oracle.ends()
    for violation in oracle.violations:
        print(violation)
    print(f"{len(served)} operations; " + ", ".join(f"{n} {what}" for what, n in oracle.counts.items()))
    oracle.coverage()
    print(f"{len(oracle.violations)} violations")
    sys.exit(1 if oracle.violations else 0)


if __name__ == "__main__":
    main()
