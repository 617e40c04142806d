"""Kinds that Kubernetes itself does not know, as schemas that admit the listed fields only.

From the types of KEDA 2.20 and of the Prometheus operator. Parts that are objects of Kubernetes,
such as the pod of a ScaledJob, are checked by the schemas of Kubernetes.
"""

from __future__ import annotations

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
FREE = {"type": "object"}


def closed(required=(), /, **fields):
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": fields,
    }


def listed(items, least=1):
    return {"type": "array", "minItems": least, "items": items}


METADATA = {"name", "namespace", "labels", "annotations"}


def kind(api_version, name, spec):
    metadata = closed(["name"], **dict.fromkeys(METADATA, FREE) | {"name": TEXT, "namespace": TEXT})
    return closed(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"const": api_version},
        kind={"const": name},
        metadata=metadata,
        spec=spec,
    )


METADATA_OF_TRIGGERS = {
    "postgresql": closed(
        ["query", "targetQueryValue"],
        **dict.fromkeys(
            (
                "query", "targetQueryValue", "activationTargetQueryValue", "host", "port",
                "userName", "dbName", "sslmode", "passwordFromEnv", "connectionFromEnv",
            ),
            TEXT,
        ),
    ),
    "metrics-api": closed(
        ["url", "valueLocation", "targetValue"],
        **dict.fromkeys(
            (
                "url", "valueLocation", "targetValue", "activationTargetValue", "format",
                "authMode", "unsafeSsl", "method",
            ),
            TEXT,
        ),
    ),
}  # fmt: skip

TRIGGER = {
    "oneOf": [
        closed(
            ["type", "metadata", "authenticationRef"],
            type={"const": scaler},
            name=TEXT,
            metadata=metadata,
            metricType={"enum": ["AverageValue", "Value"]},
            useCachedMetrics=FLAG,
            authenticationRef=closed(["name"], name=TEXT, kind=TEXT),
        )
        for scaler, metadata in METADATA_OF_TRIGGERS.items()
    ]
}

POLICY = closed(
    ["type", "value", "periodSeconds"],
    type={"enum": ["Pods", "Percent"]},
    value={"type": "integer", "minimum": 1},
    periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
)
RULES = closed(
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    selectPolicy={"enum": ["Max", "Min", "Disabled"]},
    policies=listed(POLICY),
)
SCALED_OBJECT = closed(
    ["scaleTargetRef", "triggers"],
    scaleTargetRef=closed(
        ["name"], name=TEXT, apiVersion=TEXT, kind=TEXT, envSourceContainerName=TEXT
    ),
    pollingInterval=NUMBER,
    initialCooldownPeriod=NUMBER,
    cooldownPeriod=NUMBER,
    idleReplicaCount=NUMBER,
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    fallback=closed(
        ["failureThreshold", "replicas"],
        failureThreshold=NUMBER,
        replicas=NUMBER,
        behavior={
            "enum": [
                "static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower",
            ]
        },
    ),
    advanced=closed(
        restoreToOriginalReplicaCount=FLAG,
        horizontalPodAutoscalerConfig=closed(
            name=TEXT, behavior=closed(scaleUp=RULES, scaleDown=RULES)
        ),
        scalingModifiers=closed(
            ["formula", "target"],
            formula=TEXT,
            target=TEXT,
            activationTarget=TEXT,
            metricType={"enum": ["AverageValue", "Value"]},
        ),
    ),
    triggers=listed(TRIGGER),
)  # fmt: skip
SCALED_JOB = closed(
    ["jobTargetRef", "triggers"],
    jobTargetRef=FREE,
    pollingInterval=NUMBER,
    successfulJobsHistoryLimit=NUMBER,
    failedJobsHistoryLimit=NUMBER,
    envSourceContainerName=TEXT,
    minReplicaCount=NUMBER,
    maxReplicaCount=NUMBER,
    rollout=closed(
        strategy={"enum": ["default", "gradual"]},
        propagationPolicy={"enum": ["background", "foreground"]},
    ),
    scalingStrategy=closed(
        strategy={"enum": ["default", "custom", "accurate", "eager"]},
        customScalingQueueLengthDeduction=NUMBER,
        customScalingRunningJobPercentage=TEXT,
        pendingPodConditions=listed(TEXT),
        multipleScalersCalculation={"enum": ["max", "min", "avg", "sum"]},
    ),
    triggers=listed(TRIGGER),
)
TRIGGER_AUTHENTICATION = closed(
    secretTargetRef=listed(
        closed(
            ["parameter", "name", "key"],
            parameter={"enum": ["password", "token"]},
            name=TEXT,
            key=TEXT,
        )
    )
)
SERVICE_MONITOR = closed(
    ["selector", "endpoints"],
    selector=closed(["matchLabels"], matchLabels=FREE),
    namespaceSelector=closed(matchNames=listed(TEXT), any=FLAG),
    endpoints=listed(
        closed(
            ["port"],
            port=TEXT,
            path=TEXT,
            interval=TEXT,
            scrapeTimeout=TEXT,
            scheme=TEXT,
            relabelings=listed(closed(["targetLabel"], targetLabel=TEXT, replacement=TEXT)),
        )
    ),
)

POD_MONITOR = closed(
    ["selector", "podMetricsEndpoints"],
    selector=closed(["matchLabels"], matchLabels=FREE),
    namespaceSelector=closed(matchNames=listed(TEXT), any=FLAG),
    podTargetLabels=listed(TEXT),
    podMetricsEndpoints=SERVICE_MONITOR["properties"]["endpoints"],
)

CLOSED = {
    (api_version, name): kind(api_version, name, spec)
    for api_version, name, spec in (
        ("keda.sh/v1alpha1", "ScaledObject", SCALED_OBJECT),
        ("keda.sh/v1alpha1", "ScaledJob", SCALED_JOB),
        ("keda.sh/v1alpha1", "TriggerAuthentication", TRIGGER_AUTHENTICATION),
        ("monitoring.coreos.com/v1", "ServiceMonitor", SERVICE_MONITOR),
        ("monitoring.coreos.com/v1", "PodMonitor", POD_MONITOR),
    )
}
