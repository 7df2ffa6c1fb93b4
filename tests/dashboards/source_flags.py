"""Where dashboards get their data from, as flags of whoever shows or checks them."""

from prometheus import Target


def parse(parser, seconds):
    """The arguments, with these flags beside those that the parser has. `seconds` is a default."""
    parser.add_argument("--bin", help="folder of sluice and sluice-sidecar")
    parser.add_argument("--cluster", action="store_true", help="in the cluster of KUBECONFIG")
    parser.add_argument("--image", default="sluice:dev",
                        help="of the worker there; has /bin/sh and sleep")
    parser.add_argument("--target", action="append", type=Target.parse, default=[])
    parser.add_argument("--value", action="append", default=[], help="of a variable: queue=orders")
    parser.add_argument("--only", action="append", help="a dashboard: overview.json")
    parser.add_argument("--seconds", type=float, default=seconds)
    arguments = parser.parse_args()
    if bool(arguments.bin) == bool(arguments.target):
        parser.error("either --bin or --target")
    return arguments
