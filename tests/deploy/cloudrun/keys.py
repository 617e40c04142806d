"""Which keys the files for Cloud Run may have: the fields of its API, version 1, that we use.

Compared with the messages of the Google Cloud SDK 528 (June 2025) and the YAML reference.
`None` stands for a value, a list of one element for a list of such elements.
"""

from __future__ import annotations

from typing import Any

PROBE = {
    "httpGet": {"path": None, "port": None},
    "periodSeconds": None,
    "timeoutSeconds": None,
    "failureThreshold": None,
}
CONTAINER = {
    "name": None,
    "image": None,
    "args": [None],
    "ports": [{"name": None, "containerPort": None}],
    "resources": {"limits": {"cpu": None, "memory": None, "nvidia.com/gpu": None}},
    "startupProbe": PROBE,
    "livenessProbe": PROBE,
    "env": [
        {"name": None, "value": None, "valueFrom": {"secretKeyRef": {"name": None, "key": None}}}
    ],
}
NETWORK = {
    "run.googleapis.com/network-interfaces": None,
    "run.googleapis.com/vpc-access-egress": None,
}
METADATA = {"name": None, "labels": {"cloud.googleapis.com/location": None}}
SERVICE = {
    "apiVersion": None,
    "kind": None,
    "metadata": METADATA
    | {
        "annotations": {
            "run.googleapis.com/ingress": None,
            "run.googleapis.com/invoker-iam-disabled": None,
        }
    },
    "spec": {
        "template": {
            "metadata": {
                "annotations": NETWORK
                | {
                    "autoscaling.knative.dev/minScale": None,
                    "autoscaling.knative.dev/maxScale": None,
                    "run.googleapis.com/startup-cpu-boost": None,
                    "run.googleapis.com/cpu-throttling": None,
                    "run.googleapis.com/container-dependencies": None,
                    "run.googleapis.com/execution-environment": None,
                }
            },
            "spec": {
                "serviceAccountName": None,
                "containerConcurrency": None,
                "timeoutSeconds": None,
                "containers": [CONTAINER],
            },
        },
        "traffic": [{"percent": None, "latestRevision": None}],
    },
}
WORKER_POOL = {
    "apiVersion": None,
    "kind": None,
    "metadata": METADATA
    | {
        "annotations": {
            "run.googleapis.com/scalingMode": None,
            "run.googleapis.com/manualInstanceCount": None,
        }
    },
    "spec": {
        "template": {
            "metadata": {
                "annotations": NETWORK
                | {
                    "run.googleapis.com/gpu-zonal-redundancy-disabled": None,
                }
            },
            "spec": {
                "serviceAccountName": None,
                "nodeSelector": {"run.googleapis.com/accelerator": None},
                "containers": [CONTAINER],
            },
        }
    },
}
JOB = {
    "apiVersion": None,
    "kind": None,
    "metadata": METADATA,
    "spec": {
        "template": {
            "metadata": {"annotations": NETWORK},
            "spec": {
                "taskCount": None,
                "template": {
                    "spec": {
                        "serviceAccountName": None,
                        "maxRetries": None,
                        "timeoutSeconds": None,
                        "containers": [CONTAINER],
                    }
                },
            },
        }
    },
}
SCALING = {
    "stabilizationWindowSeconds": None,
    "policies": [{"type": None, "value": None, "periodSeconds": None}],
}
CREMA = {
    "apiVersion": None,
    "kind": None,
    "spec": {
        "pollingInterval": None,
        "triggerAuthentications": [
            {"metadata": {"name": None}, "spec": {"podIdentity": {"provider": None}}}
        ],
        "scaledObjects": [
            {
                "spec": {
                    "scaleTargetRef": {"name": None},
                    "minReplicaCount": None,
                    "maxReplicaCount": None,
                    "triggers": [
                        {
                            "type": None,
                            "name": None,
                            "metadata": {
                                "serverAddress": None,
                                "query": None,
                                "threshold": None,
                                "activationThreshold": None,
                                "ignoreNullValues": None,
                            },
                            "authenticationRef": {"name": None},
                        }
                    ],
                    "advanced": {
                        "horizontalPodAutoscalerConfig": {
                            "behavior": {"scaleDown": SCALING, "scaleUp": SCALING}
                        }
                    },
                }
            }
        ],
    },
}
"""CREMA decodes its file strictly: an unknown key ends it."""
BUILD = {
    "steps": [{"id": None, "name": None, "entrypoint": None, "env": [None], "args": [None]}],
    "images": [None],
    "substitutions": {
        "_TORCH_INDEX": None,
        "_PROFILE": None,
        "_ACCEPT_LICENSES": None,
    },
    "options": {"logging": None, "machineType": None, "diskSizeGb": None},
    "timeout": None,
}
KINDS = {"Service": SERVICE, "WorkerPool": WORKER_POOL, "Job": JOB, "CremaConfig": CREMA}


def unknown_keys(document: Any, allowed: Any, path: str = "") -> list[str]:
    """The paths of what is not allowed: unknown keys, and values of another shape."""
    if allowed is None:
        return [f"{path}: a value is expected"] if isinstance(document, dict | list) else []
    if type(document) is not type(allowed):
        return [f"{path}: {type(allowed).__name__} is expected"]
    if isinstance(document, list):
        return [
            found
            for number, one in enumerate(document)
            for found in unknown_keys(one, allowed[0], f"{path}[{number}]")
        ]
    return [
        found
        for name, value in document.items()
        for found in (
            unknown_keys(value, allowed[name], f"{path}.{name}")
            if name in allowed
            else [f"{path}.{name}"]
        )
    ]
