ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim AS build
RUN python -m venv /opt/order-aggregator
ENV PATH=/opt/order-aggregator/bin:$PATH
COPY . /src
# Git is not there to tell it.
ARG VERSION=0.0.0
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_ORDER_AGGREGATOR=$VERSION pip install --no-cache-dir '/src[service,otel]'

FROM python:${PYTHON_VERSION}-slim
# The database of a service that is given none lies in `data` below the working folder.
RUN useradd --system --user-group --create-home --home-dir /var/lib/order-aggregator order-aggregator \
    && install --directory --owner order-aggregator --group order-aggregator /var/lib/order-aggregator/data
COPY --from=build /opt/order-aggregator /opt/order-aggregator
ENV PATH=/opt/order-aggregator/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0
USER order-aggregator
WORKDIR /var/lib/order-aggregator
EXPOSE 3000
# No HEALTHCHECK: what is healthy differs by command; docker-compose.yml says it for each.
ENTRYPOINT ["order-aggregator"]
CMD ["run"]
