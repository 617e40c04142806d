"""`/v1/videos`: the API that OpenAI's clients, SGLang and vLLM-Omni speak, over the same jobs.

`fields` translates what callers send into a submission, `responses` a job into a video. A job has
one id on both sides, and whatever holds for `/v1/jobs` holds here.
"""
