"""The API's processes, and uvicorn in each of them."""
