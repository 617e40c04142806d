"""Video and audio in and out, with FFmpeg (PyAV) and OpenCV.

`frames` and `sound` read a file as frames and samples, `writer` writes an MP4, `still` reads
images, `probe` inspects a file. `source` opens files safely.
"""
