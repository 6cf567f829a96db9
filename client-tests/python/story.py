"""The story of sdks.rs, told with boto3: it decides whether boto3 reads every answer as it reads AWS's.

Runs beside ca.pem, verification.pem and device.pem; the emulator is found by AWS_ENDPOINT_URL.
"""

import datetime
import json
import pathlib

import boto3
from botocore.exceptions import ClientError

iot = boto3.client("iot")


def pem(name):
    return pathlib.Path(name).read_text()


def refused(exception, call, **members):
    """The error of a call that must fail with this exception, as boto3's own class of it."""
    try:
        call(**members)
    except ClientError as error:
        assert isinstance(error, getattr(iot.exceptions, exception)), repr(error)
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        assert error.response["Error"]["Message"], error.response
        return error.response
    raise AssertionError(f"{call} succeeded instead of {exception}")


def recent(date):
    assert isinstance(date, datetime.datetime), repr(date)
    age = datetime.datetime.now(datetime.timezone.utc) - date
    assert abs(age) < datetime.timedelta(minutes=5), date


def certificates():
    assert len(iot.get_registration_code()["registrationCode"]) == 64
    ca = iot.register_ca_certificate(
        caCertificate=pem("ca.pem"),
        verificationCertificate=pem("verification.pem"),
        setAsActive=True,
        allowAutoRegistration=True,
    )
    described = iot.describe_ca_certificate(certificateId=ca["certificateId"])
    recent(described["certificateDescription"]["creationDate"])
    validity = described["certificateDescription"]["validity"]
    assert validity["notBefore"] < validity["notAfter"], validity
    device = iot.register_certificate(
        certificatePem=pem("device.pem"), caCertificatePem=pem("ca.pem"), status="ACTIVE"
    )
    of_ca = iot.list_certificates_by_ca(caCertificateId=ca["certificateId"])["certificates"]
    assert [it["certificateId"] for it in of_ca] == [device["certificateId"]], of_ca
    recent(of_ca[0]["creationDate"])
    own = iot.create_keys_and_certificate(setAsActive=True)
    assert "PRIVATE KEY" in own["keyPair"]["PrivateKey"], own
    return ca, device, own


def attachments(device):
    arn = device["certificateArn"]
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iot.create_policy(policyName="story", policyDocument=document)
    assert policy["policyDocument"] == document, policy
    iot.attach_policy(policyName="story", target=arn)
    assert iot.list_attached_policies(target=arn)["policies"][0]["policyName"] == "story"
    thing = iot.create_thing(
        thingName="sensor", attributePayload={"attributes": {"hall": "7"}}
    )
    iot.attach_thing_principal(thingName="sensor", principal=arn)
    assert iot.list_thing_principals(thingName="sensor")["principals"] == [arn]
    return thing


def things():
    for number in range(60):
        iot.create_thing(thingName=f"thing-{number}")
    pages = list(iot.get_paginator("list_things").paginate(PaginationConfig={"PageSize": 25}))
    assert [len(page["things"]) for page in pages] == [25, 25, 11], pages
    names = {thing["thingName"] for page in pages for thing in page["things"]}
    assert len(names) == 61, names


def errors(thing):
    create = {"thingName": "sensor", "attributePayload": {"attributes": {"hall": "8"}}}
    exists = refused("ResourceAlreadyExistsException", iot.create_thing, **create)
    assert exists["resourceArn"] == thing["thingArn"], exists
    assert exists["resourceId"], exists
    invalid = refused("InvalidRequestException", iot.create_thing, thingName="not a name")
    said = invalid["Error"]["Message"]
    assert "'thingName' failed to satisfy constraint" in said, said
    refused("ResourceNotFoundException", iot.describe_thing, thingName="nobody")


def deletion(ca, device, own):
    one = {"certificateId": device["certificateId"]}
    arn = device["certificateArn"]
    refused("CertificateStateException", iot.delete_certificate, **one)
    iot.update_certificate(newStatus="INACTIVE", **one)
    refused("DeleteConflictException", iot.delete_policy, policyName="story")
    iot.detach_thing_principal(thingName="sensor", principal=arn)
    refused("DeleteConflictException", iot.delete_certificate, **one)
    iot.detach_policy(policyName="story", target=arn)
    iot.delete_policy(policyName="story")
    iot.delete_certificate(**one)
    refused("ResourceNotFoundException", iot.describe_certificate, **one)
    iot.delete_thing(thingName="sensor")
    iot.update_certificate(newStatus="INACTIVE", certificateId=own["certificateId"])
    iot.delete_certificate(certificateId=own["certificateId"])
    of_ca = {"certificateId": ca["certificateId"]}
    refused("CertificateStateException", iot.delete_ca_certificate, **of_ca)
    iot.update_ca_certificate(newStatus="INACTIVE", **of_ca)
    iot.delete_ca_certificate(**of_ca)
    assert iot.list_ca_certificates()["certificates"] == []


ca, device, own = certificates()
thing = attachments(device)
things()
errors(thing)
deletion(ca, device, own)
print("the story is told")
