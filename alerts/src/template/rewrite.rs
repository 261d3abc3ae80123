//! Makes a parsed template mean what it means in Go.
//!
//! gotmpl knows maps only, of anything; prints floats as Rust does; and finds unknown functions and variables when it
//! meets them at execution. Go finds them at parsing, gives an empty text for a key that a map of texts lacks, and
//! has methods of times. So each access to a field becomes a call of `_field`, or of `_method` where arguments
//! follow, and each printed pipeline ends in `_show`.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};

use super::functions;

/// Prints a value as Go does.
pub const SHOW: &str = "_show";
/// A field of a value.
pub const FIELD: &str = "_field";
/// A method of a value, with arguments.
pub const METHOD: &str = "_method";

/// Rewrites the body of a template.
///
/// # Errors
/// A function or variable that does not exist.
pub fn tree(body: &mut ListNode) -> Result<(), String> {
    let mut scope = Scope {
        variables: vec![SmolStr::new_static("$")],
    };
    scope.list(body)
}

struct Scope {
    variables: Vec<SmolStr>,
}

impl Scope {
    fn list(&mut self, list: &mut ListNode) -> Result<(), String> {
        list.nodes.iter_mut().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &mut Node) -> Result<(), String> {
        match node {
            Node::Action(action) => {
                self.pipe(&mut action.pipe)?;
                if action.pipe.decl.is_empty() {
                    action.pipe.commands.push(call(action.pos, SHOW, vec![]));
                }
                Ok(())
            }
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => self.branch(branch),
            Node::Template(template) => template
                .pipe
                .as_mut()
                .map_or(Ok(()), |pipe| self.pipe(pipe)),
            Node::List(list) => self.list(list),
            Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn branch(&mut self, branch: &mut BranchNode) -> Result<(), String> {
        let outside = self.variables.len();
        self.pipe(&mut branch.pipe)?;
        self.list(&mut branch.body)?;
        if let Some(other) = &mut branch.else_body {
            self.list(other)?;
        }
        self.variables.truncate(outside);
        Ok(())
    }

    fn pipe(&mut self, pipe: &mut PipeNode) -> Result<(), String> {
        if pipe.is_assign {
            for name in &pipe.decl {
                self.known(name)?;
            }
        } else {
            self.variables.extend(pipe.decl.iter().cloned());
        }
        for (index, command) in pipe.commands.iter_mut().enumerate() {
            self.command(command, index > 0)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &mut CommandNode, piped: bool) -> Result<(), String> {
        let takes_arguments = piped || command.args.len() > 1;
        let method = takes_arguments
            .then(|| command.args.first_mut().and_then(last_field))
            .flatten();
        command
            .args
            .iter_mut()
            .try_for_each(|argument| self.expression(argument))?;
        if let Some(name) = method {
            let pos = command.pos;
            let mut arguments = vec![Expr::Identifier(pos, SmolStr::new_static(METHOD))];
            let mut given = std::mem::take(&mut command.args).into_iter();
            arguments.extend(given.next());
            arguments.push(Expr::String(pos, name.as_str().into()));
            arguments.extend(given);
            command.args = arguments;
        }
        Ok(())
    }

    fn expression(&mut self, expression: &mut Expr) -> Result<(), String> {
        let (pos, inner, fields) = match expression {
            Expr::Identifier(_, name) if functions::exists(name) => return Ok(()),
            Expr::Identifier(_, name) => return Err(format!("function {name:?} not defined")),
            Expr::Pipe(_, pipe) => return self.pipe(pipe),
            Expr::Variable(pos, name, fields) => {
                self.known(name)?;
                let fields = std::mem::take(fields);
                (*pos, Expr::Variable(*pos, name.clone(), vec![]), fields)
            }
            Expr::Field(pos, fields) => (*pos, Expr::Dot(*pos), std::mem::take(fields)),
            Expr::Chain(pos, inner, fields) => {
                self.expression(inner)?;
                let (pos, fields) = (*pos, std::mem::take(fields));
                let inner = std::mem::replace(&mut **inner, Expr::Dot(pos));
                (pos, in_parentheses(inner), fields)
            }
            Expr::Dot(_) | Expr::String(..) | Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => {
                return Ok(());
            }
        };
        *expression = if fields.is_empty() {
            inner
        } else {
            let mut arguments = vec![inner];
            arguments.extend(
                fields
                    .iter()
                    .map(|name| Expr::String(pos, name.as_str().into())),
            );
            let command = call(pos, FIELD, arguments);
            let pipe = PipeNode {
                pos,
                decl: vec![],
                commands: vec![command],
                is_assign: false,
            };
            Expr::Pipe(pos, pipe)
        };
        Ok(())
    }

    fn known(&self, name: &SmolStr) -> Result<(), String> {
        if self.variables.contains(name) {
            Ok(())
        } else {
            Err(format!("undefined variable {name:?}"))
        }
    }
}

/// Takes the last field of an access away, which is a method where arguments follow.
fn last_field(expression: &mut Expr) -> Option<SmolStr> {
    match expression {
        Expr::Field(_, fields) | Expr::Variable(_, _, fields) | Expr::Chain(_, _, fields) => {
            fields.pop()
        }
        _ => None,
    }
}

fn call(pos: Pos, function: &'static str, arguments: Vec<Expr>) -> CommandNode {
    let mut args = vec![Expr::Identifier(pos, SmolStr::new_static(function))];
    args.extend(arguments);
    CommandNode { pos, args }
}

/// A function without arguments is called when it stands in parentheses.
fn in_parentheses(expression: Expr) -> Expr {
    let Expr::Identifier(pos, _) = expression else {
        return expression;
    };
    let command = CommandNode {
        pos,
        args: vec![expression],
    };
    let pipe = PipeNode {
        pos,
        decl: vec![],
        commands: vec![command],
        is_assign: false,
    };
    Expr::Pipe(pos, pipe)
}
