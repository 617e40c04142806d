# `docker buildx bake -f docker-bake.hcl [TARGET]` builds the API and the worker, or one target.
# (Without -f, bake also reads compose.yaml.) Set the variables in the environment. `make images`
# builds the same targets and compares their sizes with docker/budgets.toml.

variable "REGISTRY" { default = "kinomill" }
variable "TAG" { default = "0.1.0" }
variable "REVISION" { default = "unknown" }

# Creation time of the image, in seconds since 1970; the layers do not depend on it.
variable "SOURCE_DATE_EPOCH" { default = "1577836800" }

# Repository of the layer cache, e.g. registry.example.com/kinomill/cache. Empty: no cache.
variable "CACHE" { default = "" }

# Empty: the cache is only read, e.g. when building untrusted changes.
variable "CACHE_WRITE" { default = "yes" }

variable "PYTHON_IMAGE" { default = "python:3.11-slim-bookworm" }
variable "TORCH_VERSION" { default = "2.13.0" }

# https://download.pytorch.org/whl/cu126 for hosts whose driver is older than 580.
variable "TORCH_INDEX" { default = "https://pypi.org/simple" }
variable "TORCH_CPU_INDEX" { default = "https://download.pytorch.org/whl/cpu" }

# A folder with a CPU wheel of torch, if the index above cannot be reached.
variable "CPU_WHEELS" { default = "" }

# A pip configuration file for the build, e.g. for a private index. It is not stored in the image.
variable "PIP_CONFIG" { default = "" }

# What `worker-baked` adds the weights to: worker, worker-cpu or worker-slim.
variable "BAKED_ON" { default = "worker" }

# The model whose weights `worker-baked` contains.
variable "WEIGHTS" { default = "musetalk" }

# Models whose non-commercial license you accept (a JSON list).
variable "ACCEPT_LICENSES" { default = "[]" }

# For gated repositories of the Hub. It is not stored in the image.
variable "HF_TOKEN" { default = "" }

group "default" {
  targets = ["api", "worker"]
}

target "_image" {
  context = "."
  args = {
    PYTHON_IMAGE      = PYTHON_IMAGE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
    VERSION           = TAG
    REVISION          = REVISION
  }
  secret = PIP_CONFIG == "" ? [] : ["type=file,id=pip,src=${PIP_CONFIG}"]
}

target "_worker" {
  inherits   = ["_image"]
  dockerfile = "docker/worker.Dockerfile"
  args = {
    TORCH_VERSION   = TORCH_VERSION
    TORCH_INDEX     = TORCH_INDEX
    TORCH_CPU_INDEX = TORCH_CPU_INDEX
  }
  cache-from = CACHE == "" ? [] : [
    "type=registry,ref=${CACHE}:worker",
    "type=registry,ref=${CACHE}:worker-cpu",
  ]
}

target "api" {
  inherits   = ["_image"]
  dockerfile = "docker/api.Dockerfile"
  target     = "api"
  tags       = ["${REGISTRY}/api:${TAG}"]
  cache-from = CACHE == "" ? [] : ["type=registry,ref=${CACHE}:api"]
  cache-to   = CACHE == "" || CACHE_WRITE == "" ? [] : ["type=registry,ref=${CACHE}:api,mode=max,ignore-error=true"]
}

target "worker" {
  inherits = ["_worker"]
  target   = "worker"
  tags     = ["${REGISTRY}/worker:${TAG}"]
  cache-to = CACHE == "" || CACHE_WRITE == "" ? [] : ["type=registry,ref=${CACHE}:worker,mode=max,ignore-error=true"]
}

target "worker-cpu" {
  inherits = ["_worker"]
  target   = "worker-cpu"
  contexts = CPU_WHEELS == "" ? {} : { wheels = CPU_WHEELS }
  tags     = ["${REGISTRY}/worker-cpu:${TAG}"]
  cache-to = CACHE == "" || CACHE_WRITE == "" ? [] : ["type=registry,ref=${CACHE}:worker-cpu,mode=max,ignore-error=true"]
}

# Not a default target until it has been tested on a GPU: see docs/images.md.
target "worker-slim" {
  inherits = ["_worker"]
  target   = "worker-slim"
  tags     = ["${REGISTRY}/worker-slim:${TAG}"]
  cache-to = CACHE == "" || CACHE_WRITE == "" ? [] : ["type=registry,ref=${CACHE}:worker-slim,mode=max,ignore-error=true"]
}

target "worker-baked" {
  inherits = ["_worker"]
  target   = "worker-baked"
  args     = { BAKED_ON = BAKED_ON, WEIGHTS = WEIGHTS, ACCEPT_LICENSES = ACCEPT_LICENSES }
  contexts = CPU_WHEELS == "" ? {} : { wheels = CPU_WHEELS }
  secret = concat(
    PIP_CONFIG == "" ? [] : ["type=file,id=pip,src=${PIP_CONFIG}"],
    HF_TOKEN == "" ? [] : ["type=env,id=HF_TOKEN"],
  )
  # The name of a card of your own has characters that names of images lack: my_models.talk:CARD.
  tags     = ["${REGISTRY}/worker-${lower(regex_replace(WEIGHTS, "[^0-9A-Za-z.-]+", "-"))}:${TAG}"]
}
