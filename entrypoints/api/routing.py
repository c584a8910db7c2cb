"""Paths: ids that contain slashes, and the way from bare paths to the prefixed ones."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Request, Response, request
from werkzeug.routing import BaseConverter, ValidationError

from ...domain.errors import InvalidValue
from ...domain.values import check_id, clean_id

PREFIX = "/v1/api"
METHODS = ["GET", "POST"]

blueprint = Blueprint("bare", __name__)


def location(request: Request, path: str) -> str:
    """The path as a client has to ask for it: below where the application is mounted."""
    return quote(request.environ.get("SCRIPT_NAME", "").encode("latin-1")) + path


_AFTER_VENDOR = ("approve", "disable", "enable", "rejections", "retire", "stock", "sync")


class IdConverter(BaseConverter):
    """A product's or vendor's id: any text, slashes included."""

    regex = ".+"
    part_isolating = False

    def to_python(self, value: str) -> str:
        """The id as it counts. What can be none is the path of nothing."""
        cleaned: str = clean_id(value)
        try:
            check_id(cleaned, "id")
        except InvalidValue as error:
            raise ValidationError from error
        return cleaned


class VendorConverter(IdConverter):
    """A vendor's id where nothing follows it: not one that ends like what may follow."""

    regex = "".join([".+", *(f"(?<!/{end})" for end in _AFTER_VENDOR)])


class ProductConverter(IdConverter):
    """A product's id where nothing follows it."""

    regex = ".+(?<!/history)"


@blueprint.get("/")
def to_swagger() -> Response:
    """Send a browser to the documentation."""
    return Response(status=302, headers={"Location": location(request, f"{PREFIX}/swagger")})


@blueprint.route("/stock", methods=METHODS)
@blueprint.route("/stock/<id:_rest>", methods=METHODS)
@blueprint.route("/vendor-stock", methods=METHODS)
@blueprint.route("/order", methods=METHODS)
@blueprint.route("/order/<id:_rest>", methods=METHODS)
def to_prefixed(_rest: str = "") -> Response:
    """Send the caller to the same path under the prefix; 308 keeps method and body."""
    target = location(request, PREFIX + quote(request.path))
    query = request.query_string.decode("latin-1")
    if query:
        target += "?" + quote(query, safe="%/:?#[]@!$&'()*+,;=~")
    return Response(status=308, headers={"Location": target})
