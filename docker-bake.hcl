# `docker buildx bake -f docker-bake.hcl` builds the API and the worker; a name at its end builds that
# target alone. (Without -f, bake reads compose.yaml, too.) Each variable is one of the environment.
# `make images` does the same, and holds the sizes against docker/budgets.toml.

variable "REGISTRY" { default = "kinomill" }
variable "TAG" { default = "0.1.0" }
variable "REVISION" { default = "unknown" }

# Seconds since 1970 that the image says it was made at; the layers do not depend on it.
variable "SOURCE_DATE_EPOCH" { default = "1577836800" }

# Name of a repository for the layer cache, e.g. registry.example.com/kinomill/cache. Empty: none.
variable "CACHE" { default = "" }

# Empty: the cache is read and not written, e.g. for changes from strangers.
variable "CACHE_WRITE" { default = "yes" }

variable "PYTHON_IMAGE" { default = "python:3.11-slim-bookworm" }
variable "TORCH_VERSION" { default = "2.13.0" }

# https://download.pytorch.org/whl/cu126 for hosts whose driver is older than 580.
variable "TORCH_INDEX" { default = "https://pypi.org/simple" }
variable "TORCH_CPU_INDEX" { default = "https://download.pytorch.org/whl/cpu" }

# A folder with a wheel of torch for the CPU, where the index above is out of reach.
variable "CPU_WHEELS" { default = "" }

# A pip configuration for the build, e.g. of a private index. It stays out of the image.
variable "PIP_CONFIG" { default = "" }

# The model whose weights `worker-baked` holds.
variable "WEIGHTS" { default = "musetalk" }

# Models whose non-commercial license you accept (a JSON list).
variable "ACCEPT_LICENSES" { default = "[]" }

# For gated repositories of the Hub; it stays out of the image.
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

# Not the default before somebody has run it on a GPU: see docs/images.md.
target "worker-slim" {
  inherits = ["_worker"]
  target   = "worker-slim"
  tags     = ["${REGISTRY}/worker-slim:${TAG}"]
  cache-to = CACHE == "" || CACHE_WRITE == "" ? [] : ["type=registry,ref=${CACHE}:worker-slim,mode=max,ignore-error=true"]
}

target "worker-baked" {
  inherits = ["_worker"]
  target   = "worker-baked"
  args     = { WEIGHTS = WEIGHTS, ACCEPT_LICENSES = ACCEPT_LICENSES }
  secret = concat(
    PIP_CONFIG == "" ? [] : ["type=file,id=pip,src=${PIP_CONFIG}"],
    HF_TOKEN == "" ? [] : ["type=env,id=HF_TOKEN"],
  )
  tags     = ["${REGISTRY}/worker-${WEIGHTS}:${TAG}"]
}
