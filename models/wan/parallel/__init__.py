"""One job on several GPUs: each computes a share of the tokens (context parallelism).

The leader, which is the worker's child, samples and decodes as on one GPU. A follower, a process
for each further GPU, has the experts only, and runs each of their calls together with the leader.
Run with processes on a CPU; not yet run on GPUs.
"""
