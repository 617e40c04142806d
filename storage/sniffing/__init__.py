"""Media identification: file formats by their first bytes, image sizes, base64 data URIs."""
