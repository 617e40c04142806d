"""`/v1/predictions`: the API that Replicate's clients speak, over the same jobs.

`request` translates what callers send into a submission, `responses` a job into a prediction. A
job has one id on both sides, and whatever holds for `/v1/jobs` holds here. Source: replicate 1.0.7.
"""
