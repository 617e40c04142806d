"""Downloads: fetches missing files onto a volume, in parallel, resumable and verified.

`pull` is the entry point; `file_download` handles one file, `download_pool` the connections that
all files share, `partial` and `journal` what survives a crash, `import_local` files found on disk.
"""
