"""Decides in which order the operations are called where all of them are to succeed: what they need is
made first, described and listed once it has something to tell, and taken away at the end.

Each chapter is a run of steps that stands by itself. `do("CreateThing", thingName="lamp-1")` is a step,
and gives what botocore read. An operation that is new belongs into a chapter, or into `oracle.NEVER`.
"""

import json

from samples import FOR_KNOWN, POLICY, REQUEST, template

# Who asks: accounts in which there is nothing yet.
ACCOUNT, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/oracle"
LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:oracle"
IOT = f"arn:aws:iot:us-east-1:{ACCOUNT}:"
TAGS = [{"Key": "room", "Value": "hall"}, {"Key": "floor", "Value": "1"}]
HALL = {"attributes": {"room": "hall"}}
# What DeleteThingType wants between deprecation and deletion.
FIVE_MINUTES = 300
FOR_REQUEST = template(CertificateSigningRequest={"Ref": "CSR"}, Status="ACTIVE")
TEMPLATE = {"templateBody": FOR_KNOWN, "provisioningRoleArn": ROLE, "description": "lights"}


def types_and_things(do, _):
    from_thing = {"userPropertyKey": "room", "thingAttribute": "room"}
    from_connection = {"userPropertyKey": "id", "connectionAttribute": "iot:ClientId"}
    mqtt5 = {"propagatingAttributes": [from_thing, from_connection]}
    described = {"thingTypeDescription": "lights", "searchableAttributes": ["room"]}
    made = do("CreateThingType", thingTypeName="lamp", thingTypeProperties=described, tags=TAGS)
    do("UpdateThingType", thingTypeName="lamp", thingTypeProperties={"mqtt5Configuration": mqtt5})
    do("CreateThingType", thingTypeName="old")
    do("DeprecateThingType", thingTypeName="old")
    do("DescribeThingType", thingTypeName="lamp")
    do("DescribeThingType", thingTypeName="old")
    do.all("ListThingTypes")
    do("ListTagsForResource", resourceArn=made["thingTypeArn"])
    do("UntagResource", resourceArn=made["thingTypeArn"], tagKeys=["room"])
    do("TagResource", resourceArn=made["thingTypeArn"], tags=TAGS)
    for thing in ("lamp-1", "lamp-2"):
        do("CreateThing", thingName=thing, thingTypeName="lamp", attributePayload=HALL)
    do("UpdateThing", thingName="lamp-2", attributePayload={"attributes": {"room": "attic"}})
    do("DescribeThing", thingName="lamp-1")
    do.all("ListThings")
    do.advance(FIVE_MINUTES)
    do("DeleteThingType", thingTypeName="old")


def groups(do, _):
    do("CreateBillingGroup", billingGroupName="bill-2")
    costs = {"billingGroupDescription": "lights"}
    do("CreateBillingGroup", billingGroupName="bill", billingGroupProperties=costs)
    do("UpdateBillingGroup", billingGroupName="bill", billingGroupProperties=costs)
    do("CreateThing", thingName="paid", billingGroupName="bill")
    do("CreateThing", thingName="grouped")
    do("AddThingToBillingGroup", billingGroupName="bill", thingName="grouped")
    do("DescribeThing", thingName="paid")
    do("DescribeBillingGroup", billingGroupName="bill")
    do.all("ListBillingGroups")
    do.all("ListThingsInBillingGroup", billingGroupName="bill")
    do("RemoveThingFromBillingGroup", billingGroupName="bill", thingName="grouped")
    do("DeleteBillingGroup", billingGroupName="bill-2")

    about = {"thingGroupDescription": "a room", "attributePayload": HALL}
    do("CreateThingGroup", thingGroupName="house", tags=TAGS)
    do("CreateThingGroup", thingGroupName="floor", parentGroupName="house")
    hall = {"thingGroupName": "hall", "thingGroupProperties": about}
    do("CreateThingGroup", **hall, parentGroupName="floor")
    do("UpdateThingGroup", **hall)
    for thing in ("paid", "grouped"):
        do("AddThingToThingGroup", thingGroupName="hall", thingName=thing)
    do("DescribeThingGroup", thingGroupName="hall")
    do.all("ListThingGroups")
    do.all("ListThingGroupsForThing", thingName="paid")
    do.all("ListThingsInThingGroup", thingGroupName="hall")
    moved = {"thingGroupsToAdd": ["floor"], "thingGroupsToRemove": ["hall"]}
    do("UpdateThingGroupsForThing", thingName="paid", **moved)
    do("RemoveThingFromThingGroup", thingGroupName="hall", thingName="grouped")
    do("DeleteThingGroup", thingGroupName="hall")
    do("DeleteThing", thingName="grouped")


def policies(do, _):
    document = json.dumps(POLICY)
    denied = json.dumps({**POLICY, "Statement": [{**POLICY["Statement"][0], "Effect": "Deny"}]})
    made = [do("CreateKeysAndCertificate", setAsActive=True) for _ in range(2)]
    targets = [certificate["certificateArn"] for certificate in made]
    for name in ("open", "closed"):
        do("CreatePolicy", policyName=name, policyDocument=document)
    do("CreatePolicyVersion", policyName="closed", policyDocument=denied)
    do("SetDefaultPolicyVersion", policyName="closed", policyVersionId="2")
    do("GetPolicy", policyName="closed")
    do("GetPolicyVersion", policyName="closed", policyVersionId="2")
    do("ListPolicyVersions", policyName="closed")
    do("DeletePolicyVersion", policyName="closed", policyVersionId="1")
    for target in targets:
        do("AttachPolicy", policyName="open", target=target)
    do("AttachPrincipalPolicy", policyName="closed", principal=targets[0])
    do("GetEffectivePolicies", principal=targets[0])
    do.all("ListPolicies")
    do.all("ListAttachedPolicies", target=targets[0])
    do.all("ListPrincipalPolicies", principal=targets[0])
    do.all("ListTargetsForPolicy", policyName="open")
    do.all("ListPolicyPrincipals", policyName="open")
    connect = {"actionType": "CONNECT", "resources": [f"{IOT}client/lamp"]}
    publish = {"actionType": "PUBLISH", "resources": [f"{IOT}topic/lamp"]}
    for target in targets:
        do("TestAuthorization", principal=target, authInfos=[connect, publish])
    do("DetachPrincipalPolicy", policyName="closed", principal=targets[0])
    do("DetachPolicy", policyName="open", target=targets[0])
    do("DeletePolicy", policyName="closed")

    for thing in ("tied-1", "tied-2"):
        do("CreateThing", thingName=thing)
        do("AttachThingPrincipal", thingName=thing, principal=targets[0])
    do("AttachThingPrincipal", thingName="tied-1", principal=targets[1])
    for version in ("", "V2"):
        do.all(f"ListPrincipalThings{version}", principal=targets[0])
        do.all(f"ListThingPrincipals{version}", thingName="tied-1")
    do("DetachThingPrincipal", thingName="tied-1", principal=targets[0])


def authorities(do, material):
    do("GetRegistrationCode")
    do("CreateProvisioningTemplate", templateName="jitp", type="JITP", **TEMPLATE)
    config = {"roleArn": ROLE, "templateBody": FOR_KNOWN}
    ca = do(
        "RegisterCACertificate",
        caCertificate=material["ca"],
        verificationCertificate=material["verification"],
        registrationConfig=config,
        allowAutoRegistration=True,
        setAsActive=True,
    )["certificateId"]
    do("RegisterCACertificate", caCertificate=material["otherCa"], certificateMode="SNI_ONLY")
    do("DescribeCACertificate", certificateId=ca)
    do("UpdateCACertificate", certificateId=ca, registrationConfig={"templateName": "jitp"})
    do("DescribeCACertificate", certificateId=ca)
    do.all("ListCACertificates")
    for pem in material["certificates"]:
        made = do("RegisterCertificate", certificatePem=pem, status="INACTIVE")
    do("DescribeCertificate", certificateId=made["certificateId"])
    do.all("ListCertificatesByCA", caCertificateId=ca)
    do.all("ListCertificates")
    do("UpdateCertificate", certificateId=made["certificateId"], newStatus="REVOKED")
    do("UpdateCACertificate", certificateId=ca, newStatus="INACTIVE", removeAutoRegistration=True)
    do("DeleteCertificate", certificateId=made["certificateId"])
    do("DeleteCACertificate", certificateId=ca)
    do("RegisterCertificateWithoutCA", certificatePem=material["selfSigned"])
    do("DeleteRegistrationCode")


def transfers(do, _):
    def offered():
        made = do("CreateCertificateFromCsr", certificateSigningRequest=REQUEST)
        one = {"certificateId": made["certificateId"]}
        message = "take it"
        do("TransferCertificate", **one, targetAwsAccount=OTHER, transferMessage=message)
        return one

    offered()
    one = offered()
    do.all("ListOutgoingCertificates")
    do("CancelCertificateTransfer", **one)
    one = offered()
    do.other("RejectCertificateTransfer", **one, rejectReason="no room")
    do("DescribeCertificate", **one)
    one = offered()
    do.other("AcceptCertificateTransfer", **one, setAsActive=True)
    do.other("DescribeCertificate", **one)


def templates(do, _):
    for name in ("lamps", "blinds"):
        do("CreateProvisioningTemplate", templateName=name, enabled=True, **TEMPLATE)
    do("CreateProvisioningTemplateVersion", templateName="lamps", templateBody=FOR_KNOWN)
    do("UpdateProvisioningTemplate", templateName="lamps", description="lamps", defaultVersionId=2)
    do("DescribeProvisioningTemplate", templateName="lamps")
    do("DescribeProvisioningTemplateVersion", templateName="lamps", versionId=2)
    do.all("ListProvisioningTemplates")
    do.all("ListProvisioningTemplateVersions", templateName="lamps")
    do("CreateProvisioningClaim", templateName="lamps")
    do("DeleteProvisioningTemplateVersion", templateName="lamps", versionId=1)
    do("DeleteProvisioningTemplate", templateName="blinds")
    do("RegisterThing", templateBody=FOR_REQUEST, parameters={"Name": "lamp", "CSR": REQUEST})


def bulk(do, _):
    name = {"Parameters": {"Name": {"Type": "String"}}}
    thing = {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}}}
    # A file that takes longer than it takes to stop the task.
    do.put("bulk-things", "lamps.json", "".join(f'{{"Name": "bulk-{n}"}}\n' for n in range(20000)))
    task = {
        "templateBody": json.dumps({**name, "Resources": {"thing": thing}}),
        "inputFileBucket": "bulk-things",
        "roleArn": ROLE,
    }
    one = do("StartThingRegistrationTask", **task, inputFileKey="lamps.json")
    do("StopThingRegistrationTask", taskId=one["taskId"])
    do.settle()
    do("DescribeThingRegistrationTask", taskId=one["taskId"])
    failed = do("StartThingRegistrationTask", **task, inputFileKey="nothing.json")
    do.settle()
    do("DescribeThingRegistrationTask", taskId=failed["taskId"])
    do.all("ListThingRegistrationTasks")
    do.all("ListThingRegistrationTaskReports", taskId=one["taskId"], reportType="RESULTS")


def domains(do, _):
    certificate = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/oracle"
    named = {"domainConfigurationName": "own"}
    own = {"domainName": "lamps.example.org", "serverCertificateArns": [certificate]}
    do("CreateDomainConfiguration", **named, **own)
    do("DescribeDomainConfiguration", **named)
    do.all("ListDomainConfigurations")
    do("UpdateDomainConfiguration", **named, domainConfigurationStatus="DISABLED")
    do("DeleteDomainConfiguration", **named)


def rules(do, _):
    headers = {
        "payloadFormatIndicator": "UTF8_DATA",
        "contentType": "text/plain",
        "responseTopic": "answers",
        "correlationData": "b25l",
        "messageExpiry": "60",
        "userProperties": [{"key": "room", "value": "hall"}],
    }
    republish = {"republish": {"roleArn": ROLE, "topic": "copies", "qos": 1, "headers": headers}}
    function = {"lambda": {"functionArn": LAMBDA}}
    payload = {
        "sql": "SELECT * FROM 'lamps/#'",
        "description": "lights",
        "awsIotSqlVersion": "2016-03-23",
    }
    one = {**payload, "actions": [function], "errorAction": republish}
    turned = {**payload, "actions": [republish], "errorAction": function}
    for name in ("lamps", "blinds"):
        do("CreateTopicRule", ruleName=name, topicRulePayload=one)
    do("ReplaceTopicRule", ruleName="lamps", topicRulePayload=turned)
    do("DisableTopicRule", ruleName="lamps")
    do("EnableTopicRule", ruleName="lamps")
    do("GetTopicRule", ruleName="lamps")
    do("GetTopicRule", ruleName="blinds")
    do.all("ListTopicRules")
    do("DeleteTopicRule", ruleName="lamps")


def settings(do, _):
    do("DescribeEndpoint", endpointType="iot:Data-ATS")
    do("UpdateEventConfigurations", eventConfigurations={"THING": {"Enabled": True}})
    do("DescribeEventConfigurations")
    do("SetLoggingOptions", loggingOptionsPayload={"roleArn": ROLE, "logLevel": "WARN"})
    do("GetLoggingOptions")
    event = {"eventType": "Publish-In", "logLevel": "INFO", "logDestination": "messages"}
    level = {"defaultLogLevel": "ERROR", "disableAllLogs": False}
    do("SetV2LoggingOptions", roleArn=ROLE, eventConfigurations=[event], **level)
    do("GetV2LoggingOptions", verbose=True)
    for name in ("lamp-1", "lamp-2"):
        target = {"targetType": "CLIENT_ID", "targetName": name}
        do("SetV2LoggingLevel", logTarget=target, logLevel="DEBUG")
    do.all("ListV2LoggingLevels", targetType="CLIENT_ID")
    do("DeleteV2LoggingLevel", **target)


CHAPTERS = (
    types_and_things,
    groups,
    policies,
    authorities,
    transfers,
    templates,
    bulk,
    domains,
    rules,
    settings,
)
