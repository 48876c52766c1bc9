"""Equations as MathML, which every browser draws by itself: no script, no network."""

from docutils import nodes
from latex2mathml.converter import convert

__all__ = ["setup"]


def setup(app):
    """Register the renderer of `html_math_renderer`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator, node):
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _block(translator, node):
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    names = " ".join(f'id="{name}"' for name in node["ids"][:1])
    translator.body.append(f'<div class="math-block" {names}>{convert(node.astext(), display="block")}{number}</div>\n')
    raise nodes.SkipNode
